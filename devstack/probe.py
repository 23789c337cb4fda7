"""A look at whether a local server answers."""

import asyncio
import http.client

from devstack.ports import HOST


def fetch(port: int, path: str, timeout_seconds: float = 5.0) -> bytes | None:
    """The body that a local server sends with status 200; None for any other answer, or none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if reply.status == 200 else None


async def is_ok(port: int, path: str) -> bool:
    """Whether a local server answers with status 200."""
    return await asyncio.to_thread(fetch, port, path) is not None
