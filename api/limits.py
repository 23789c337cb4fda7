"""The bound on the size of a request's body."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 16 * 1024 * 1024
_DISCARDED_BYTES = 4 * MAX_BODY_BYTES
_DISCARD_SECONDS = 10.0


class BodyLimit:
    """ASGI middleware: refuses a body over the bound, by its declared length or as it comes in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
            await _discard(receive)
            raise _too_large()

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                if message.get("more_body", False):
                    await _discard(receive)
                raise _too_large()
            return message

        await self._app(scope, bounded, send)


def _too_large() -> HTTPException:
    """413. Of the exceptions raised while it reads a body, FastAPI lets only this class pass."""
    return HTTPException(413, f"A body may hold at most {MAX_BODY_BYTES} bytes.")


async def _discard(receive: Receive) -> None:
    """Take the rest of the body, within reason: a connection that is closed while the caller still writes loses the
    reply."""
    discarded = 0
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            while discarded < _DISCARDED_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
