"""`Idempotency-Key`: the same request again gets the first reply again."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api.auth import authenticate
from api.dependencies import resources_of
from api.problems import invalid_field, respond
from db import idempotency
from db.idempotency import Claim, KeptReply

HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 255
_NOT_FINAL = (401, 403)
"""Refusals that say nothing of the request itself: with another key it may be served."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route whose POST honours `Idempotency-Key`, for each caller by itself. It knows its caller before it reads
    the body."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            actor = await authenticate(request)
            key = request.headers.get(HEADER)
            if request.method != "POST" or key is None:
                return await handler(request)
            if not 0 < len(key) <= MAX_KEY_CHARS:
                message = f"An Idempotency-Key has 1 to {MAX_KEY_CHARS} characters."
                raise invalid_field(HEADER, "invalid_idempotency_key", message)
            url = request.url
            identity = request_hash(request.method, url.path, url.query, await request.body())
            async with resources_of(request).database.transaction() as session:
                claimed = await idempotency.claim(session, actor.id, key, identity)
            if isinstance(claimed, KeptReply):
                return _replayed(claimed)
            return await _answer_once(request, claimed, handler)

        return handle


async def _answer_once(request: Request, claimed: Claim, handler: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer, and keep the reply if it is final: an error of the service is none."""
    try:
        response = await handler(request)
    except Exception as error:
        response = respond(request, error)
        if response.status_code >= 500:
            await _settle(request, claimed, None)
            raise
    await _settle(request, claimed, response)
    return response


async def _settle(request: Request, claimed: Claim, response: Response | None) -> None:
    async with resources_of(request).database.transaction() as session:
        if response is None or response.status_code >= 500 or response.status_code in _NOT_FINAL:
            await idempotency.release(session, claimed)
        else:
            text = bytes(response.body).decode()
            media_type = response.headers.get("content-type", "application/json")
            await idempotency.keep(session, claimed, KeptReply(response.status_code, media_type, text))


def _replayed(kept: KeptReply) -> Response:
    headers = {"Idempotent-Replayed": "true"}
    return Response(kept.text, kept.status, headers=headers, media_type=kept.media_type)


def request_hash(method: str, path: str, query: str, body: bytes) -> bytes:
    """The request's identity: where it goes and what it says, however its JSON is spaced or ordered."""
    target = f"{method} {path}?{query}\n"
    return hashlib.sha256(target.encode("utf-8", "surrogatepass") + _canonical(body)).digest()


def _canonical(body: bytes) -> bytes:
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body
