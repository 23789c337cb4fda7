"""A large plan is sorted in halves, and plans don't stand in each other's way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import batching
from activities.batching import BatchingActivities
from activities.resources import Resources
from analysis.batches import PlannedBatch, Planner, Stretch
from analysis.prefilter import rules_for
from db import plans, runs, windows
from db.engine import Database
from db.vault import Vault
from models.run import AnalysisRun
from settings import Settings
from tests.support.builders import START, add_run, batches_of, fill_messages
from workflows import contract

MESSAGES = 4_000
SIZE = 30


@pytest.fixture
def activity(database: Database, settings: Settings) -> BatchingActivities:
    return BatchingActivities(Resources(database, Vault.from_settings(settings), settings))


@pytest.fixture
def halving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "HALVED_FROM", MESSAGES)


async def _filtered(database: Database, *, day: float = 0) -> AnalysisRun:
    """A run over that day whose messages all passed the prefilter."""
    options = {"max_batch_size": SIZE, "time_gap_seconds": 600, "concurrency": 8}
    run = await add_run(database, status="running", stage="batching", day=day, options=options)
    async with database.transaction() as session:
        while await windows.pin_chunk(session, run) is not None:
            pass
        for chunk_no in await windows.unfiltered_chunks(session, run.id):
            await windows.filter_chunk(session, run.id, chunk_no, rules_for("off", []))
    async with runs.locked(database, run.id) as held:
        held.run.messages_after_prefilter, _ = await windows.filtered(held.session, run.id)
    return run


async def _whole(database: Database, run: AnalysisRun) -> list[PlannedBatch]:
    """The plan as one statement makes it."""
    planner = Planner(max_batch_size=SIZE)
    async with database.transaction() as session:
        planned = [one async for part in plans.kept_stretches(session, run.id, 600) for one in planner.plan(part)]
    return planned + list(planner.finish())


async def _create(activity: BatchingActivities, run: AnalysisRun) -> contract.Batches:
    return await ActivityEnvironment().run(activity.create_batches, contract.RunRef(run_id=run.id))


async def _stored(database: Database, run: AnalysisRun) -> list[PlannedBatch]:
    rows = await batches_of(database, run.id)
    assert [row.batch_no for row in rows] == list(range(1, len(rows) + 1))
    return [PlannedBatch(row.source_id, row.channel, row.message_ids) for row in rows]


@pytest.mark.usefixtures("halving")
@pytest.mark.parametrize("channels", [1, 2, 7])
@pytest.mark.parametrize("sources", [1, 2])
async def test_halves_make_the_plan_of_the_whole(
    database: Database, activity: BatchingActivities, channels: int, sources: int
) -> None:
    for source in range(sources):
        await fill_messages(database, MESSAGES, source=f"source {source}", channels=channels)
    run = await _filtered(database)
    expected = await _whole(database, run)
    assert (await _create(activity, run)).total == len(expected)
    assert await _stored(database, run) == expected


@pytest.mark.usefixtures("halving")
@pytest.mark.parametrize("stored", [1, 100])
async def test_halves_go_on_where_an_attempt_stopped(
    database: Database, activity: BatchingActivities, stored: int
) -> None:
    await fill_messages(database, MESSAGES, channels=3)
    run = await _filtered(database)
    expected = await _whole(database, run)
    async with runs.locked(database, run.id) as held:
        await plans.add(held, expected[:stored])
    await _create(activity, run)
    assert await _stored(database, run) == expected


@pytest.mark.usefixtures("halving")
@pytest.mark.parametrize("half", ["first", "second"])
async def test_an_outage_in_a_half_is_one_and_what_was_stored_stays(
    database: Database, activity: BatchingActivities, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    await fill_messages(database, MESSAGES, channels=4)
    run = await _filtered(database)
    expected = await _whole(database, run)
    monkeypatch.setattr(batching, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(plans, "kept_stretches", _breaking(half))
    with pytest.raises(ApplicationError) as failed:
        await _create(activity, run)
    assert failed.value.type == "database_unavailable"
    assert bool(await _stored(database, run)) == (half == "second")
    await _create(activity, run)
    assert await _stored(database, run) == expected


def _breaking(half: str) -> Callable[..., AsyncIterator[Stretch]]:
    """`kept_stretches`, which once loses its connection before the first stretch of that half."""
    really, broken = plans.kept_stretches, False

    async def kept_stretches(
        session: AsyncSession, run_id: UUID, gap: int, **bounds: plans.Channel
    ) -> AsyncIterator[Stretch]:
        nonlocal broken
        if not broken and ("last" if half == "first" else "after") in bounds:
            broken = True
            raise OSError
        async for stretch in really(session, run_id, gap, **bounds):
            yield stretch

    return kept_stretches


async def test_plans_at_once_do_not_wait_for_each_others_connections(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "HALVED_FROM", 1)
    planning = []
    for day in range(8):
        start = START + timedelta(days=day)
        await fill_messages(database, 150, source=f"source {day}", channels=2, start=start)
        planning.append(await _filtered(database, day=day))
    few = settings.model_copy(update={"database_pool_size": batching.CONNECTIONS})
    async with Database(database.dsn, pool_size=batching.CONNECTIONS, connect_seconds=60.0) as narrow:
        activity = BatchingActivities(Resources(narrow, Vault.from_settings(few), few))
        made = await asyncio.gather(*(_create(activity, run) for run in planning))
    assert [one.total for one in made] == [6] * len(planning)
