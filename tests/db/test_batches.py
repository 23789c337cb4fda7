"""Batches read, and settled once."""

import asyncio
from uuid import UUID

import pytest

from db import batches, runs, settling
from db.engine import Database
from db.settling import Found
from models.base import new_id
from models.proposal import TaskProposal
from models.values import BatchStatus, RunStatus
from tests.support.builders import add_batches, add_messages, add_run, batches_of, events_of, run_of


async def test_batches_are_read_in_pages_and_those_that_nobody_settled_alone(database: Database) -> None:
    run = await add_run(database, status="running")
    await add_batches(database, run.id, "completed", "waiting", "failed", "running", "split", "waiting")
    other = await add_run(database, status="running", day=1)
    await add_batches(database, other.id, "waiting")
    async with database.transaction() as session:
        assert await batches.unsettled(session, run.id) == [2, 4, 6]
        pages = [[row.batch_no for row in await batches.listed(session, run.id, after, 4)] for after in (0, 4, 6)]
    assert pages == [[1, 2, 3, 4], [5, 6], []]


async def test_messages_come_in_the_order_asked_for_without_those_that_are_gone(database: Database) -> None:
    a, b, c = await add_messages(database, "one", "two", "three", author="bob", thread_id="t", is_bot=True)
    async with database.transaction() as session:
        shown = await batches.messages(session, [c, new_id(), a, b])
    assert [(message.id, message.text) for message in shown] == [(c, "three"), (a, "one"), (b, "two")]
    assert (shown[0].author, shown[0].thread_id, shown[0].is_bot, shown[0].channel) == ("bob", "t", True, "general")


async def settle(
    database: Database, run_id: UUID, batch_no: int, *, proposals: int = 0, error: str | None = None
) -> bool:
    """Whether this call settled the batch."""
    if error is None:
        return bool(await complete(database, run_id, {batch_no: proposals}))
    async with runs.locked(database, run_id) as held:
        batch = await batches.lock_unsettled(held, batch_no)
        if batch is not None:
            await batches.fail(held, batch, error)
        return batch is not None


async def complete(database: Database, run_id: UUID, proposals: dict[int, int]) -> list[int]:
    """Those of the batches that this call completed, each with so many proposals."""
    async with database.transaction() as session, settling.holding(session, run_id, list(proposals)) as (held, models):
        found = [
            Found(number, _proposals(run_id, number, proposals[number]), [None] * proposals[number])
            for number in sorted(models)
        ]
        await settling.complete(held, found)
        return sorted(models)


def _proposals(run_id: UUID, batch_no: int, count: int) -> list[TaskProposal]:
    return [
        TaskProposal(
            run_id=run_id,
            batch_no=batch_no,
            ordinal=ordinal,
            proposed_title=f"Fix part {ordinal}",
            confidence=0.5,
            source_message_ids=[new_id()],
            message_count=1,
            model="m",
            prompt_version="1",
        )
        for ordinal in range(1, count + 1)
    ]


async def test_a_settled_batch_is_counted_and_told(database: Database) -> None:
    made = await add_run(database, status="running")
    await add_batches(database, made.id, "running", "waiting", "running", attempts=2)
    assert await settle(database, made.id, 1, proposals=3)
    assert await settle(database, made.id, 2)
    assert await settle(database, made.id, 3, error="timeout")
    run = await run_of(database, made.id)
    assert (run.batches_completed, run.batches_failed) == (2, 1)
    assert (run.proposals_total, run.proposals_pending) == (3, 3)
    rows = await batches_of(database, run.id)
    assert [(row.status, row.error, row.proposals) for row in rows] == [
        ("completed", None, 3),
        ("completed", None, 0),
        ("failed", "timeout", 0),
    ]
    assert all(row.settled_at for row in rows)
    told = [(event.event, event.data) for event in (await events_of(database, run.id))[1:]]
    run_id = str(run.id)

    def progress(settled: int, percent: int) -> tuple[str, dict[str, object]]:
        data = {"run_id": run_id, "current_batch": settled, "total_batches": 3, "progress_percent": percent}
        return "progress_updated", data

    counts = {"proposals_count": 3, "proposals_total": 3, "proposals_pending": 3}
    assert told == [
        progress(1, 33),
        ("proposals_created", {"run_id": run_id, "batch_no": 1} | counts),
        progress(2, 66),
        progress(3, 100),
        ("batch_failed", {"run_id": run_id, "batch_no": 3, "error": "timeout", "attempts": 2}),
    ]


async def test_a_batch_is_settled_once_however_many_try(database: Database) -> None:
    made = await add_run(database, status="running")
    await add_batches(database, made.id, *_waiting(5))
    tries = [settle(database, made.id, 1 + number % 5, proposals=2) for number in range(20)]
    assert sum(await asyncio.gather(*tries)) == 5
    run = await run_of(database, made.id)
    assert (run.batches_completed, run.proposals_total) == (5, 10)
    percents = [
        event.data["progress_percent"]
        for event in await events_of(database, run.id)
        if event.event == "progress_updated"
    ]
    assert percents == [20, 40, 60, 80, 100]


async def test_batches_that_are_completed_together_are_told_one_after_the_other(database: Database) -> None:
    made = await add_run(database, status="running")
    await add_batches(database, made.id, *_waiting(3), "completed")
    assert await complete(database, made.id, {1: 2, 2: 0, 4: 5}) == [1, 2]
    assert await complete(database, made.id, {2: 1, 3: 1}) == [3]
    run = await run_of(database, made.id)
    assert (run.batches_completed, run.proposals_total, run.proposals_pending) == (4, 3, 3)
    told = [(event.event, event.data.get("batch_no")) for event in (await events_of(database, run.id))[1:]]
    progress = ("progress_updated", None)
    assert told == [progress, ("proposals_created", 1), progress, progress, ("proposals_created", 3)]
    assert [batch.proposals for batch in await batches_of(database, run.id)] == [2, 0, 1, 0]


def _waiting(count: int) -> list[BatchStatus]:
    return ["waiting"] * count


@pytest.mark.parametrize("status", ["pending", "completed", "reviewed", "closed", "failed", "cancelled"])
async def test_a_run_that_does_not_work_has_no_batch_settled(database: Database, status: RunStatus) -> None:
    run = await add_run(database, status=status)
    await add_batches(database, run.id, "running")
    assert not await settle(database, run.id, 1)
    assert not await settle(database, run.id, 99, error="timeout")
    assert len(await events_of(database, run.id)) == 1


async def test_a_paused_run_takes_the_answers_that_were_under_way(database: Database) -> None:
    run = await add_run(database, status="paused")
    await add_batches(database, run.id, "running")
    assert await settle(database, run.id, 1)


@pytest.mark.parametrize(
    ("settled", "total", "percent"), [(0, 3, 0), (1, 3, 33), (2, 3, 66), (3, 3, 100), (9_999, 10_000, 99), (0, 0, 100)]
)
def test_a_hundred_per_cent_means_done(settled: int, total: int, percent: int) -> None:
    assert batches.percent(settled, total) == percent
