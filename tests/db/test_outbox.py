"""Events are numbered without gaps in the order of the commits, and announced."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from db import outbox, runs
from db.engine import Database
from models.base import now
from tests.support.builders import add_run, events_of, run_of
from tests.support.waiting import until


async def record(database: Database, run_id: UUID, *events: str, **data: Any) -> int:
    """The number of the last of these events."""
    async with runs.locked(database, run_id) as held:
        for event in events:
            await held.record(event, data)
        return held.run.last_seq


async def test_parallel_writers_leave_no_gap_and_each_keeps_its_order(database: Database) -> None:
    run_id = (await add_run(database)).id

    async def write(writer: int) -> list[int]:
        return [await record(database, run_id, f"{writer}", f"{writer}", step=step) for step in range(10)]

    ends = await asyncio.gather(*(write(writer) for writer in range(8)))
    events = await events_of(database, run_id)
    assert len(events) == 1 + 8 * 10 * 2
    for writer, numbers in enumerate(ends):
        mine = [event for event in events if event.event == str(writer)]
        assert [event.data["step"] for event in mine] == [step for step in range(10) for _ in range(2)]
        # The two events of a transaction stand next to each other.
        assert [event.seq for event in mine] == [seq for end in numbers for seq in (end - 1, end)]


async def test_a_reader_never_sees_a_number_before_the_ones_below_it(database: Database) -> None:
    run_id = (await add_run(database)).id
    writers = [asyncio.create_task(write_some(database, run_id)) for _ in range(4)]
    seen = 0
    while seen < 1 + 4 * 10:
        async with database.transaction() as session:
            fresh = await outbox.events_after(session, run_id, seen, 1000)
        assert [event.seq for event in fresh] == list(range(seen + 1, seen + 1 + len(fresh)))
        seen += len(fresh)
    await asyncio.gather(*writers)


async def write_some(database: Database, run_id: UUID) -> None:
    for _ in range(10):
        await record(database, run_id, "progress_updated")


async def test_what_is_rolled_back_leaves_no_gap(database: Database) -> None:
    run_id = (await add_run(database)).id

    async def break_off() -> None:
        async with runs.locked(database, run_id) as held:
            await held.record("never", {})
            await held.session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    assert await record(database, run_id, "run_started") == 2
    assert [event.event for event in await events_of(database, run_id)] == ["run_created", "run_started"]


async def test_the_row_of_the_run_says_how_far_its_events_go_and_since_when(database: Database) -> None:
    run = await add_run(database)
    await record(database, run.id, "one", "two")
    after = await run_of(database, run.id)
    events = await events_of(database, run.id)
    assert (after.last_seq, after.last_event_at, after.version) == (3, events[-1].at, run.version + 2)


async def test_a_commit_announces_the_last_number_once_and_a_rollback_nothing(database: Database, dsn: str) -> None:
    heard: list[object] = []
    listener = await asyncpg.connect(dsn)
    await listener.add_listener(outbox.CHANNEL, lambda *said: heard.append(said[-1]))
    run_id = (await add_run(database)).id
    await record(database, run_id, "run_started", "messages_fetched")
    async with runs.locked(database, run_id) as held:
        held.run.pending_command = "pause"  # a change without an event
    async with database.transaction() as session:
        async with runs.holding(session, run_id) as held:
            await held.record("never", {})
        await session.rollback()
    await record(database, run_id, "run_completed")

    async def last() -> bool:
        return f"{run_id}:4" in heard

    await until(last)
    assert heard == [f"{run_id}:1", f"{run_id}:3", f"{run_id}:4"]
    await listener.close()


async def test_events_are_read_in_pages(database: Database) -> None:
    run_id = (await add_run(database)).id
    other = (await add_run(database, day=1)).id
    await record(database, run_id, *"abcdefg")
    await record(database, other, *"xyz")
    async with database.transaction() as session:
        pages = [
            [event.seq for event in await outbox.events_after(session, run_id, after, 3)] for after in (0, 3, 6, 8, 99)
        ]
    assert pages == [[1, 2, 3], [4, 5, 6], [7, 8], [], []]


async def test_the_heads_are_of_the_runs_that_told_something_since(database: Database) -> None:
    quiet, loud = await add_run(database), await add_run(database, day=1)
    since = now()
    await record(database, loud.id, "run_started")
    async with database.transaction() as session:
        heads = await outbox.heads_since(session, since)
        all_heads = await outbox.heads_since(session, since - timedelta(minutes=1))
    assert [(head.run_id, head.last_seq) for head in heads] == [(loud.id, 2)]
    assert heads[0].last_event_at >= since
    assert {head.run_id for head in all_heads} == {quiet.id, loud.id}
