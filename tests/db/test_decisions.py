"""Decisions about proposals, however many people make them at once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import date
from uuid import UUID

import pytest
from sqlmodel import select

from db import decisions, lifecycle, runs
from db.engine import Database
from db.reviewing import Decision
from errors import Conflict, NotFound
from models.actor import Actor
from models.base import new_id
from models.run import AnalysisRun
from models.task import Task
from models.values import RunStatus
from tests.support.builders import (
    add_project,
    add_proposals,
    add_run,
    events_of,
    proposals_of,
    run_of,
)

PM = Actor("key", "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10", "pm")


async def approve(database: Database, proposal_id: UUID, notes: str | None = None) -> Decision:
    return await decisions.approve(database, proposal_id, actor=PM, notes=notes)


async def reject(database: Database, proposal_id: UUID) -> Decision:
    return await decisions.reject(database, proposal_id, actor=PM, reason="not_a_task")


async def outcome(decision: Awaitable[Decision]) -> str:
    """`done`, or the code of the refusal."""
    try:
        await decision
    except Conflict as refusal:
        return refusal.code
    return "done"


async def tasks(database: Database) -> list[Task]:
    async with database.transaction() as session:
        return list((await session.exec(select(Task))).all())


async def checked(database: Database, run_id: UUID) -> AnalysisRun:
    """The run, once its counters, tasks and events have been compared with its proposals."""
    run = await run_of(database, run_id)
    rows = await proposals_of(database, run_id)
    statuses = Counter(row.status for row in rows)
    assert run.proposals_total == len(rows)
    assert run.proposals_pending == statuses["pending"]
    assert run.proposals_approved == statuses["approved"]
    assert run.proposals_rejected == statuses["rejected"]
    assert {row.task_id for row in rows if row.task_id} == {task.id for task in await tasks(database)}
    told = Counter(event.event for event in await events_of(database, run_id))
    assert told["proposal_approved"] == statuses["approved"]
    assert told["proposal_rejected"] == statuses["rejected"]
    return run


async def test_an_approved_proposal_becomes_a_task_with_all_it_says(database: Database) -> None:
    project = await add_project(database)
    run = await add_run(database, status="completed", project_config_id=project)
    [proposal_id, _] = await add_proposals(
        database,
        run.id,
        2,
        proposed_title="Fix the login",
        proposed_description="It redirects in a circle.",
        proposed_priority="high",
        proposed_category="bug",
        proposed_tags=["login"],
        proposed_assignee="ann",
        due_date=date(2026, 3, 12),
        project_config_id=project,
    )
    decided = await approve(database, proposal_id, "seen it myself")
    [task] = await tasks(database)
    assert (task.title, task.description) == ("Fix the login", "It redirects in a circle.")
    assert (task.status, task.priority, task.category, task.tags) == ("open", "high", "bug", ["login"])
    assert (task.assignee, task.due_date, task.project_config_id) == ("ann", date(2026, 3, 12), project)
    proposal = decided.proposal
    assert (proposal.status, proposal.review_action, proposal.task_id) == ("approved", "approve", task.id)
    assert (proposal.reviewed_by, proposal.review_notes, proposal.version) == ("pm", "seen it myself", 2)
    assert proposal.reviewed_at is not None
    run = await checked(database, run.id)
    assert decided.run.proposals_pending == run.proposals_pending == 1
    event = (await events_of(database, run.id))[-1]
    assert event.event == "proposal_approved"
    assert event.data == {
        "id": str(proposal_id),
        "run_id": str(run.id),
        "status": "approved",
        "proposed_title": "Fix the login",
        "proposals_pending": 1,
        "task_id": str(task.id),
    }


async def test_a_rejected_proposal_keeps_its_reason_and_makes_no_task(database: Database) -> None:
    run = await add_run(database, status="completed")
    [proposal_id, _] = await add_proposals(database, run.id, 2)
    decided = await decisions.reject(database, proposal_id, actor=PM, reason="already_done", notes="on Monday")
    proposal = decided.proposal
    assert (proposal.status, proposal.review_action, proposal.reject_reason) == ("rejected", "reject", "already_done")
    assert (proposal.reviewed_by, proposal.review_notes, proposal.task_id) == ("pm", "on Monday", None)
    await checked(database, run.id)
    event = (await events_of(database, run.id))[-1]
    assert (event.event, event.data["reason"]) == ("proposal_rejected", "already_done")


async def test_the_last_decision_makes_the_run_reviewed(database: Database) -> None:
    run = await add_run(database, status="completed")
    first, second = await add_proposals(database, run.id, 2)
    await approve(database, first)
    assert (await checked(database, run.id)).status == "completed"
    await reject(database, second)
    assert (await checked(database, run.id)).status == "reviewed"
    told = [event.event for event in await events_of(database, run.id)]
    assert told[1:] == ["proposal_approved", "proposal_rejected", "run_reviewed"]


@pytest.mark.parametrize("status", ["running", "paused", "failed", "cancelled"])
async def test_a_run_that_is_not_completed_takes_decisions_and_keeps_its_state(
    database: Database, status: RunStatus
) -> None:
    run = await add_run(database, status=status)
    [proposal_id] = await add_proposals(database, run.id)
    await approve(database, proposal_id)
    assert (await checked(database, run.id)).status == status


async def test_a_closed_run_takes_no_decisions(database: Database) -> None:
    run = await add_run(database, status="closed")
    [proposal_id] = await add_proposals(database, run.id)
    for decision in (approve, reject):
        with pytest.raises(Conflict) as refused:
            await decision(database, proposal_id)
        assert refused.value.code == "run_closed"
    assert (await checked(database, run.id)).proposals_pending == 1


async def test_a_decided_proposal_is_not_decided_again(database: Database) -> None:
    run = await add_run(database, status="completed")
    one, other = await add_proposals(database, run.id, 2)
    await approve(database, one)
    await reject(database, other)
    before = [row.model_dump() for row in await proposals_of(database, run.id)]
    for proposal_id, status in ((one, "approved"), (other, "rejected")):
        for decision in (approve, reject):
            with pytest.raises(Conflict) as refused:
                await decision(database, proposal_id)
            assert (refused.value.code, refused.value.extra) == ("already_reviewed", {"proposal_status": status})
    assert [row.model_dump() for row in await proposals_of(database, run.id)] == before
    await checked(database, run.id)


async def test_a_proposal_that_is_not_there_is_404(database: Database) -> None:
    for decision in (approve, reject):
        with pytest.raises(NotFound) as refused:
            await decision(database, new_id())
        assert refused.value.code == "proposal_not_found"


async def test_of_parallel_decisions_about_one_proposal_one_wins(database: Database) -> None:
    run = await add_run(database, status="completed")
    for proposal_id in await add_proposals(database, run.id, 5):
        decisions = [decide(database, proposal_id) for decide in (approve, reject, approve, reject)]
        outcomes = await asyncio.gather(*map(outcome, decisions))
        assert sorted(outcomes) == ["already_reviewed"] * 3 + ["done"]
    assert (await checked(database, run.id)).status == "reviewed"


async def test_parallel_decisions_about_many_proposals_are_all_counted(database: Database) -> None:
    run = await add_run(database, status="completed")
    ids = await add_proposals(database, run.id, 30)
    decisions = [(approve if number % 3 else reject)(database, one) for number, one in enumerate(ids)]
    assert set(await asyncio.gather(*map(outcome, decisions))) == {"done"}
    after = await checked(database, run.id)
    assert (after.status, after.proposals_approved, after.proposals_rejected) == ("reviewed", 20, 10)
    told = [event.event for event in await events_of(database, run.id)]
    assert told.count("run_reviewed") == 1
    assert told[-1] == "run_reviewed"


async def test_a_close_and_the_last_decision_of_one_moment_fit_together(database: Database) -> None:
    async def close(run_id: UUID) -> None:
        async with runs.locked(database, run_id) as held:
            await lifecycle.close(held)

    for day in range(5):
        run = await add_run(database, status="completed", day=day)
        [proposal_id] = await add_proposals(database, run.id)
        results = await asyncio.gather(close(run.id), approve(database, proposal_id), return_exceptions=True)
        refusal, decision = results
        assert isinstance(decision, Decision)
        after = await run_of(database, run.id)
        if refusal is None:
            assert (after.status, after.proposals_pending) == ("closed", 0)
        else:
            assert isinstance(refusal, Conflict)
            assert (refusal.code, after.status) == ("proposals_pending", "reviewed")
