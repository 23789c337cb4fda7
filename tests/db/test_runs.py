"""Runs are created without overlap, locked for a change, and found."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import select

from db import run_views, runs
from db.engine import Database
from errors import Conflict, NotFound
from models.base import new_id
from models.run import OPEN_FOR_OVERLAP, AnalysisRun
from models.values import RunStatus, words
from tests.support.builders import START, add_assignment, add_project, add_run, events_of, run_of


async def create(database: Database, assignment: UUID, **values: Any) -> AnalysisRun | Conflict:
    try:
        return await add_run(database, agent_assignment_id=assignment, **values)
    except Conflict as refusal:
        return refusal


def made(results: Sequence[AnalysisRun | Conflict]) -> list[AnalysisRun]:
    return [result for result in results if isinstance(result, AnalysisRun)]


async def test_a_new_run_is_pending_and_has_told_of_itself(database: Database) -> None:
    run = await add_run(database, trigger_type="scheduled")
    [event] = await events_of(database, run.id)
    assert event.event == "run_created"
    assert event.data == {
        "id": str(run.id),
        "status": "pending",
        "trigger_type": "scheduled",
        "time_window_start": "2026-03-10T00:00:00+00:00",
        "time_window_end": "2026-03-11T00:00:00+00:00",
    }
    assert (await run_of(database, run.id)).model_dump() == run.model_dump()


async def test_of_ten_parallel_creates_over_one_window_one_wins(database: Database) -> None:
    assignment = await add_assignment(database)
    for day in range(0, 30, 3):
        creates = [create(database, assignment, day=day, days=1 + number / 10) for number in range(10)]
        results = await asyncio.gather(*creates)
        [winner] = made(results)
        refused = [result for result in results if isinstance(result, Conflict)]
        assert {refusal.code for refusal in refused} == {"run_overlap"}
        assert {refusal.extra["conflicting_run_id"] for refusal in refused} == {str(winner.id)}


async def test_parallel_creates_of_windows_that_chain_leave_no_two_that_overlap(database: Database) -> None:
    assignment = await add_assignment(database)
    creates = [create(database, assignment, day=number, days=1.5) for number in range(10)]
    windows = sorted(run.time_window_start for run in made(await asyncio.gather(*creates)))
    assert len(windows) >= 4
    assert all(later - earlier >= timedelta(days=1.5) for earlier, later in itertools.pairwise(windows))


async def test_windows_that_touch_are_both_allowed(database: Database) -> None:
    for day in (1, 0, 2):
        await add_run(database, day=day)


@pytest.mark.parametrize(
    ("day", "days"), [(0.0, 1.0), (0.25, 0.5), (-1.0, 3.0), (-0.5, 0.500001), (0.999999, 1.0), (-0.5, 1.0)]
)
async def test_windows_that_share_a_moment_are_not(database: Database, day: float, days: float) -> None:
    first = await add_run(database)
    with pytest.raises(Conflict, match=str(first.id)) as refused:
        await add_run(database, day=day, days=days)
    assert refused.value.code == "run_overlap"
    assert refused.value.extra == {"conflicting_run_id": str(first.id)}


async def test_different_projects_may_overlap_and_runs_without_one_may_not(database: Database) -> None:
    one, other = await add_project(database), await add_project(database)
    for project in (one, other, None):
        await add_run(database, project_config_id=project)
    for project in (one, other, None):
        with pytest.raises(Conflict):
            await add_run(database, project_config_id=project)


@pytest.mark.parametrize("status", words(RunStatus))
async def test_a_run_that_is_over_makes_way(database: Database, status: RunStatus) -> None:
    await add_run(database, status=status)
    assignment = await add_assignment(database)
    assert bool(made([await create(database, assignment)])) == (status not in OPEN_FOR_OVERLAP)


async def test_a_refused_run_leaves_no_trace(database: Database) -> None:
    first = await add_run(database)
    with pytest.raises(Conflict):
        await add_run(database)
    async with database.transaction() as session:
        assert (await session.exec(select(AnalysisRun.id))).all() == [first.id]


async def test_a_run_that_is_not_there_is_404(database: Database) -> None:
    nobody = new_id()
    with pytest.raises(NotFound) as refused:
        await run_of(database, nobody)
    assert refused.value.code == "run_not_found"
    with pytest.raises(NotFound):
        async with runs.locked(database, nobody):
            pass


async def test_an_error_under_the_lock_undoes_state_counters_and_events(database: Database) -> None:
    run = await add_run(database)

    async def break_off() -> None:
        async with runs.locked(database, run.id) as held:
            held.move("begin")
            held.run.batches_created = 3
            await held.record("run_started", {})
            await held.session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    assert (await run_of(database, run.id)).model_dump() == run.model_dump()
    assert len(await events_of(database, run.id)) == 1


async def test_the_lock_sees_what_another_changed_meanwhile(database: Database) -> None:
    run = await add_run(database)
    async with database.transaction() as session:
        assert (await runs.get(session, run.id)).status == "pending"
        async with runs.locked(database, run.id) as held:
            held.move("begin")
        async with runs.holding(session, run.id) as held:
            assert held.run.status == "running"


async def test_the_step_of_a_run_that_is_held_stays_hidden(database: Database) -> None:
    paused = await add_run(database, status="paused", stage="held")
    running = await add_run(database, status="running", stage="prefiltering", day=1)
    for run in (paused, running):
        async with runs.locked(database, run.id) as held:
            held.work_goes_on("batching")
    assert (await run_of(database, paused.id)).stage == "held"
    assert (await run_of(database, running.id)).stage == "batching"


async def test_a_list_is_newest_first_and_its_pages_meet(database: Database) -> None:
    ids = [(await add_run(database, day=day)).id for day in range(7)]
    same = datetime(2026, 3, 1, tzinfo=UTC)
    async with database.transaction() as session:
        # Three of one moment, across the border of two pages.
        await session.execute(
            text("UPDATE analysis_runs SET created_at = :same WHERE id = ANY(:ids)"), {"same": same, "ids": ids[1:4]}
        )
        seen: list[UUID] = []
        after: tuple[datetime, UUID] | None = None
        while (page := await run_views.listed(session, {}, after=after, limit=2))[0]:
            seen += [run.id for run in page[0]]
            assert page[1] == 7
            after = page[0][-1].created_at, page[0][-1].id
        assert page == ([], 7)
    assert seen == [*ids[:3:-1], ids[0], *ids[3:0:-1]]


async def test_a_list_is_filtered_by_each_of_its_words(database: Database) -> None:
    project = await add_project(database)
    first = await add_run(database, status="failed", day=0, created_at=START)
    second = await add_run(database, trigger_type="custom", day=1, created_at=START + timedelta(hours=1))
    third = await add_run(database, project_config_id=project, day=2, created_at=START + timedelta(hours=2))

    async def found(**filters: Any) -> list[UUID]:
        wanted = run_views.conditions(**filters)
        async with database.transaction() as session:
            listed, total = await run_views.listed(session, wanted, after=None, limit=10)
            assert total == await run_views.count(session, wanted) == len(listed)
        return [run.id for run in listed]

    assert await found() == [third.id, second.id, first.id]
    assert await found(status="failed") == [first.id]
    assert await found(trigger_type="custom") == [second.id]
    assert await found(project_config_id=project) == [third.id]
    assert await found(created_after=START + timedelta(hours=1)) == [third.id, second.id]
    assert await found(created_before=START + timedelta(hours=1)) == [first.id]
    assert await found(status="failed", trigger_type="custom") == []


async def test_a_run_is_in_the_way_of_others_and_not_in_its_own(database: Database) -> None:
    run = await add_run(database)
    other = AnalysisRun(
        time_window_start=run.time_window_start + timedelta(hours=1),
        time_window_end=run.time_window_end,
        agent_assignment_id=run.agent_assignment_id,
    )
    async with database.transaction() as session:
        assert await runs.find_overlap(session, run) is None
        assert await runs.find_overlap(session, other) == run.id
