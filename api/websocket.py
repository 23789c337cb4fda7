"""Events over a WebSocket, at `/ws` and `/api/v1/ws`.

Every message is an `EventView`. Besides the events of runs there are the words of the connection itself, whose `seq` is
null: `pong`, `error` with `{code, detail}`, and `lagged`. A connection that can't be served gets an `error` and is
closed with 4400 (its query makes no sense), 4401 (no valid token), 4403 (not allowed) or 4404 (no such run). 1012 says
that the service stops; whoever connects again with `after_seq` misses nothing.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import assert_never
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.dependencies import Resources, resources_of
from api.events import word
from api.origins import is_loopback, is_own
from api.problems import fault_of, respond
from api.socket_words import Action, Ping, Subscribe, Unsubscribe, parse_message, parse_query
from api.subscriptions import Selection, Subscription
from api.ws_tokens import EventAccess, event_access
from db import runs
from db.engine import is_outage
from errors import BadRequest, Forbidden, NotFound, Refusal, Unauthorized, Unavailable
from settings import Settings

MAX_RUNS = 1000
"""Runs that one connection may name."""

_CLOSE_CODES: dict[type[Refusal], int] = {BadRequest: 4400, Unauthorized: 4401, Forbidden: 4403, NotFound: 4404}
_RESTART = 1012

router = APIRouter()


@router.websocket("/ws")
async def events_socket(socket: WebSocket) -> None:
    """Events as they come. See the module, and `api.socket_words` for what a client may say."""
    resources = resources_of(socket)
    if not _welcome(socket, resources.settings):
        await socket.close()  # before `accept` this is a 403
        return
    try:
        await resources.hub.check_ready()
        await _serve(socket, resources)
    except Refusal as refusal:
        await _close(socket, refusal)
    except Exception as error:
        if not isinstance(error, Unavailable) and not is_outage(error):
            raise
        await _deny(socket, error)


def _welcome(socket: WebSocket, settings: Settings) -> bool:
    """Whether the page that opens the WebSocket may listen. A client that is no browser sends no `Origin`.

    Without keys the service is for this machine alone, so a page of it may listen whatever its port. A name that was
    made to point here doesn't help: such a page's origin is that name.
    """
    origin = socket.headers.get("origin")
    if origin is None or _same(origin, settings.allowed_origins):
        return True
    try:
        return is_own(socket, origin) if settings.auth == "required" else is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def _same(origin: str, allowed: Collection[str]) -> bool:
    return origin.lower() in {one.rstrip("/").lower() for one in allowed}


async def _serve(socket: WebSocket, resources: Resources) -> None:
    """Everything before `accept` can still be refused; the subscription stands by then, so nothing is missed."""
    needed = resources.settings.auth == "required" or socket.query_params.get("token")
    access = await event_access(socket) if needed else EventAccess()
    query = parse_query(socket.query_params)
    run_id = query.run_id or access.run_id
    if run_id is not None:
        access.check(run_id)
        await _check_run(resources, run_id)
    if query.after_seq is None:
        await resources.hub.level()
    selection = Selection(topics=set(query.topics), run_ids=None if run_id is None else {run_id})
    with resources.hub.subscribed(selection) as subscription:
        if run_id is not None and query.after_seq is not None:
            subscription.replay(run_id, query.after_seq)
        await socket.accept()
        await _Connection(socket, resources, access, subscription).run()


async def _check_run(resources: Resources, run_id: UUID) -> None:
    async with resources.database.transaction() as session:
        await runs.get(session, run_id)


class _Connection:
    """An accepted connection: one task sends, the other takes what the client says."""

    def __init__(
        self, socket: WebSocket, resources: Resources, access: EventAccess, subscription: Subscription
    ) -> None:
        self._socket = socket
        self._resources = resources
        self._access = access
        self._subscription = subscription

    async def run(self) -> None:
        """Go on until the client leaves or the service stops."""
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send())
            with suppress(WebSocketDisconnect):
                await self._receive()
            sending.cancel()

    async def _send(self) -> None:
        with suppress(WebSocketDisconnect):
            async for turn in self._subscription.turns():
                for message in turn:
                    await self._say(message.text)
            await self._say(None)

    async def _say(self, text: str | None) -> None:
        """Send a message, or with None the close; WebSocketDisconnect once the connection ends."""
        try:
            if text is None:
                await self._socket.close(_RESTART)
            else:
                await self._socket.send_text(text)
        except RuntimeError as error:  # what the server raises while a close of its own is on the way
            raise WebSocketDisconnect(1006) from error

    async def _receive(self) -> None:
        while (frame := await self._socket.receive())["type"] != "websocket.disconnect":
            try:
                text = frame.get("text")
                if text is None:
                    raise BadRequest("binary_message", "Messages are JSON objects in text frames.")
                await self._do(parse_message(text))
            except Exception as error:
                if not isinstance(error, Refusal) and not is_outage(error):
                    raise
                await self._say(_error(error))

    async def _do(self, action: Action) -> None:
        match action:
            case Ping():
                await self._say(word("pong"))
            case Subscribe():
                await self._subscribe(action)
            case Unsubscribe():
                self._unsubscribe(action)
            case _:
                assert_never(action)

    async def _subscribe(self, wanted: Subscribe) -> None:
        if wanted.run_id is not None:
            self._access.check(wanted.run_id)
            self._check_room()
            await _check_run(self._resources, wanted.run_id)
            self._subscription.selection.add_run(wanted.run_id)
        if wanted.topic is not None:
            self._subscription.selection.topics.add(wanted.topic)
        if wanted.run_id is not None and wanted.after_seq is not None:
            self._subscription.replay(wanted.run_id, wanted.after_seq)

    def _unsubscribe(self, unwanted: Unsubscribe) -> None:
        if unwanted.run_id is not None:
            self._check_room()
            self._subscription.selection.remove_run(unwanted.run_id)
            self._subscription.forget(unwanted.run_id)
        if unwanted.topic is not None:
            self._subscription.selection.topics.discard(unwanted.topic)

    def _check_room(self) -> None:
        if self._subscription.size >= MAX_RUNS:
            raise BadRequest("too_many_runs", f"A connection may name at most {MAX_RUNS} runs.")


async def _close(socket: WebSocket, refusal: Refusal) -> None:
    """Accept and close: a browser shows a close code only of a connection that was open."""
    await socket.accept()
    with suppress(WebSocketDisconnect, RuntimeError):  # it may have left
        await socket.send_text(_error(refusal))
        await socket.close(_CLOSE_CODES.get(type(refusal), 4400), refusal.code)


async def _deny(socket: WebSocket, error: Exception) -> None:
    """Refuse the handshake with a problem document."""
    await socket.send_denial_response(respond(Request({**socket.scope, "type": "http", "method": "GET"}), error))


def _error(error: Exception) -> str:
    fault = fault_of(error)
    return word("error", code=fault.code, detail=fault.detail)
