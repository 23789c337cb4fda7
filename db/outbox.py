"""The outbox: every event of a run is a row, numbered without gaps in the order of the commits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Uuid, cast, column, func, true
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.statements import Statement, insertion
from models.base import now
from models.run import AnalysisRun, RunEvent

CHANNEL = "gleaner_events"
"""The NOTIFY channel; a payload is `run_id:seq` and never data."""


def event_of(run: AnalysisRun, event: str, data: Mapping[str, Any]) -> RunEvent:
    """The next event of a run whose row the caller's transaction has locked; `append` stores it."""
    run.last_seq += 1
    run.last_event_at = now()
    run.version += 1
    return RunEvent(run_id=run.id, seq=run.last_seq, event=event, data=dict(data), at=run.last_event_at)


_append = Statement(f"WITH appended AS ({insertion(RunEvent, 'events')}) SELECT pg_notify(:channel, :payload)")


async def append(session: AsyncSession, events: Sequence[RunEvent]) -> None:
    """Store the next events of one run, and tell the listening processes, when this transaction commits, how far they
    go."""
    written = json.dumps([event.model_dump(mode="json") for event in events])
    payload = f"{events[-1].run_id}:{events[-1].seq}"
    await _append.row(session, {"events": written, "channel": CHANNEL, "payload": payload})


async def events_after(session: AsyncSession, run_id: UUID, after_seq: int, limit: int) -> list[RunEvent]:
    """The run's events with numbers above `after_seq`, oldest first."""
    query = (
        select(RunEvent)
        .where(col(RunEvent.run_id) == run_id, col(RunEvent.seq) > after_seq)
        .order_by(col(RunEvent.seq))
        .limit(limit)
    )
    return list((await session.exec(query)).all())


async def events_ahead(
    session: AsyncSession, delivered: Mapping[UUID, int], since: datetime, limit: int
) -> list[RunEvent]:
    """The next events of these runs after the numbers delivered, each run's oldest first, the runs in turn.

    A number of 0 stands for a run of which nothing is known: of it only events at or after `since` are new. Fewer than
    `limit` events mean that there are no more.
    """
    numbers = func.unnest(cast(list(delivered), ARRAY(Uuid)), cast(list(delivered.values()), ARRAY(Integer)))
    known = numbers.table_valued(column("run_id", Uuid), column("seq", Integer)).render_derived("delivered")
    ahead = (  # run by run, because a plain join with many runs reads the whole table
        select(RunEvent)
        .where(col(RunEvent.run_id) == known.c.run_id, col(RunEvent.seq) > known.c.seq)
        .where((known.c.seq > 0) | (col(RunEvent.at) >= since))
        .order_by(col(RunEvent.seq))
        .limit(limit)
        .lateral()
    )
    event = aliased(RunEvent, ahead)
    query = (
        select(event)
        .select_from(known)
        .join(ahead, true())
        .order_by(col(event.seq) - known.c.seq, col(event.run_id))
        .limit(limit)
    )
    return list((await session.exec(query)).all())


@dataclass(frozen=True)
class Head:
    """How far a run's events go."""

    run_id: UUID
    last_seq: int
    last_event_at: datetime


async def heads_since(session: AsyncSession, since: datetime) -> list[Head]:
    """The runs with an event at or after `since`."""
    query = select(AnalysisRun.id, AnalysisRun.last_seq, AnalysisRun.last_event_at).where(
        col(AnalysisRun.last_event_at) >= since
    )
    return [Head(*row) for row in (await session.exec(query)).all()]
