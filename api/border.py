"""The outermost layer: every reply has an id, every request a log line, and no exception leaves without a problem."""

import logging
import re
import time
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import respond
from logs import logger

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_log = logger("gleaner.api")


class Border:
    """ASGI middleware. A request id that the caller gave is kept if it is short and plain."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await _Exchange(scope, request_id, send).run(self._app, receive)


class _Exchange:
    """One request and its reply."""

    def __init__(self, scope: Scope, request_id: str, send: Send) -> None:
        self._scope = scope
        self._request_id = request_id
        self._send = send
        self._status: int | None = None

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        begun = time.perf_counter()
        try:
            await app(self._scope, receive, self._named)
        except ClientDisconnect:
            return
        except Exception as error:
            if self._status is not None:
                raise
            response = respond(Request(self._scope), error)
            if response.status_code == 500:
                _log.exception("Unexpected error", path=self._scope["path"])
            await response(self._scope, receive, self._named)
        milliseconds = round((time.perf_counter() - begun) * 1000, 1)
        # The path alone: a query may hold a token.
        method, path = self._scope["method"], self._scope["path"]
        level = logging.DEBUG if "/health/" in path else logging.INFO
        _log.log(level, f"{method} {path}", status=self._status, ms=milliseconds)

    async def _named(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            _headers(message)["X-Request-Id"] = self._request_id
        await self._send(message)


def _headers(message: MutableMapping[str, Any]) -> MutableHeaders:
    message.setdefault("headers", [])
    return MutableHeaders(scope=message)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid4().hex
