"""A run's events over plain HTTP: as a list, and as Server-Sent Events."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from api.auth import Reader
from api.dependencies import Api
from api.events import MAX_SEQ, EventMessage, EventView
from api.hub import Hub
from api.subscriptions import Selection
from api.ws_tokens import EventAccess, event_access
from db import outbox, runs
from models.values import RunStatus

KEEP_ALIVE_SECONDS = 15.0

Until = Literal["end", "settled"]

_CLOSING: dict[Until, tuple[frozenset[str], frozenset[RunStatus]]] = {
    "end": (frozenset({"run_closed", "run_cancelled", "run_failed"}), frozenset({"closed", "cancelled", "failed"})),
    "settled": (
        frozenset({"run_closed", "run_cancelled", "run_failed", "run_completed"}),
        frozenset({"closed", "cancelled", "failed", "completed", "reviewed"}),
    ),
}
"""The events that end a stream, and the states of a run that has nothing more to wait for."""
_REOPENING = frozenset({"run_started", "run_resumed"})
"""The events after which a run goes on that had failed or completed."""

router = APIRouter(prefix="/analysis/runs", tags=["events"])

AfterSeq = Annotated[int, Query(ge=0, le=MAX_SEQ, description="The number of the last event that you have.")]


class EventPage(BaseModel):
    """Events of a run, the oldest first. `next_after_seq` is the `after_seq` of the next call, now or later."""

    items: list[EventView]
    next_after_seq: int


class EventStream(StreamingResponse):
    """Frames that are encoded already; FastAPI's own class would encode each for each reader."""

    media_type = "text/event-stream"


@router.get("/{run_id}/events")
async def list_events(
    run_id: UUID,
    _: Reader,
    resources: Api,
    after_seq: AfterSeq = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> EventPage:
    """The run's events with numbers above `after_seq`, the oldest first. 404 `run_not_found`."""
    async with resources.database.transaction() as session:
        await runs.get(session, run_id)
        rows = await outbox.events_after(session, run_id, after_seq, limit)
    return EventPage(items=[EventView.of(row) for row in rows], next_after_seq=rows[-1].seq if rows else after_seq)


@router.get("/{run_id}/stream", response_class=EventStream)
async def stream_events(
    run_id: UUID,
    access: Annotated[EventAccess, Depends(event_access)],
    resources: Api,
    after_seq: AfterSeq = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=MAX_SEQ)] = None,
    until: Until = "end",
    token: Annotated[str | None, Query(description="From `POST /ws-tokens`, where no key can be sent.")] = None,
) -> EventStream:
    """The run's events as Server-Sent Events: `id` is the number, `event` the name, `data` the object of the list.

    Begins after `Last-Event-ID`, which a browser sends when it reconnects, or else after `after_seq`. Ends after
    `run_closed`, `run_cancelled` or `run_failed`, with `until=settled` also after `run_completed`, once every event
    up to now was sent. 404 `run_not_found`; 503 `events_unavailable`.
    """
    access.check(run_id)
    async with resources.database.transaction() as session:
        run = await runs.get(session, run_id)
    await resources.hub.check_ready()
    begin = after_seq if last_event_id is None else last_event_id
    frames = _frames(resources.hub, run_id, begin, until, over=run.status in _CLOSING[until][1])
    return EventStream(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def _frames(hub: Hub, run_id: UUID, after_seq: int, until: Until, *, over: bool) -> AsyncIterator[bytes]:
    """`over` says whether the run has ended as far as is known."""
    closing = _CLOSING[until][0]
    with hub.subscribed(Selection(run_ids={run_id})) as subscription:
        subscription.replay(run_id, after_seq)
        async for turn in subscription.turns(KEEP_ALIVE_SECONDS):
            messages = [message for message in turn if isinstance(message, EventMessage)]
            for message in messages:
                yield format_sse_event(data_str=message.text, event=message.event, id=str(message.seq))
                over = message.event in closing or (over and message.event not in _REOPENING)
            if over and subscription.caught_up:
                return
            if not messages:
                yield KEEPALIVE_COMMENT
