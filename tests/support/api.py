"""The API on a real socket, in the test's own process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.dependencies import Resources
from api.server import Server, make_server
from settings import Settings
from tests.support.waiting import until


@dataclass(frozen=True)
class ServedApi:
    """A running API. `url` is its address, `http` a client whose paths begin below `/api/v1`."""

    url: str
    http: httpx.AsyncClient
    resources: Resources
    app: FastAPI

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    async def get(self, path: str, *, status: int = 200, **query: Any) -> Any:
        return _json(await self.http.get(path, params=query), status)

    async def post(self, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        return _json(await self.http.post(path, json=body, headers=headers), status)

    async def patch(self, path: str, body: Any, *, status: int = 200, **headers: str) -> Any:
        return _json(await self.http.patch(path, json=body, headers=headers), status)

    async def patch_version(self, path: str, body: Any, version: int | str, *, status: int = 200) -> Any:
        """Change what the caller saw in this version, or under this tag."""
        return _json(await self.http.patch(path, json=body, headers={"If-Match": str(version)}), status)

    async def delete(self, path: str, *, status: int = 204) -> Any:
        return _json(await self.http.delete(path), status)


@asynccontextmanager
async def serve_api(settings: Settings, *, key: str | None = None) -> AsyncIterator[ServedApi]:
    """The API on a free loopback port while the block runs; its client sends the key."""
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = make_server(app, settings)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment]  # Ctrl-C stays the test runner's
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: _started(server, task))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30, trust_env=False) as client:
        try:
            yield ServedApi(url, client, app.state.resources, app)
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, 20)


async def _started(server: Server, task: "asyncio.Task[None]") -> bool:
    if task.done():
        task.result()
    return server.started


def _json(reply: httpx.Response, status: int) -> Any:
    assert reply.status_code == status, reply.text
    return reply.json() if reply.content else None
