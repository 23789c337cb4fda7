"""A project's rule that approves without a person."""

from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from activities.lifecycle import state_of
from db import audit, bulk, decisions, proposals
from models.actor import LOCAL
from models.project import ProjectConfig
from models.proposal import TaskProposal
from models.task import Task
from settings import Settings
from tests.support.builders import add_project
from tests.support.model_answers import Answer, ShownLine
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.working import Operator, working

RULE = {"min_confidence": 0.8, "max_similarity": 0.5}


async def _run(operator: Operator, model: ModelServer, settings: Settings, rule: dict[str, Any] | None) -> UUID:
    """A run of three proposals of confidence 0.8 under the rule."""
    project = await add_project(operator.database, auto_approve=rule)
    await operator.messages(30)
    async with working(settings):
        assignment = await operator.assignment(model.base_url)
        run_id = await operator.pending_run(assignment, project=project, use_cache=False)
        await operator.commands.start(run_id)
        await operator.until(run_id, "completed", "reviewed", "failed")
    return run_id


@pytest.mark.parametrize("embeddings", ["off", "local"])
async def test_tasks_of_one_talk_that_are_worded_alike_stand_in_nobody_s_way(
    operator: Operator, model: ModelServer, settings: Settings, embeddings: str
) -> None:
    measuring = settings.model_copy(update={"embeddings": embeddings})
    run = await operator.check_books(await _run(operator, model, measuring, RULE))
    assert (run.status, run.proposals_approved) == ("reviewed", 3)


@pytest.mark.parametrize("rule", [None, {"min_confidence": 0.81, "max_similarity": 0.5}])
async def test_without_a_rule_that_fits_a_person_decides(
    operator: Operator, model: ModelServer, settings: Settings, rule: dict[str, Any] | None
) -> None:
    run = await operator.check_books(await _run(operator, model, settings, rule))
    assert (run.status, run.proposals_pending) == ("completed", 3)


async def test_what_is_sure_and_new_becomes_a_task_by_itself_and_can_be_undone_in_bulk(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    run_id = await _run(operator, model, settings, RULE)
    run = await operator.check_books(run_id)
    assert (run.status, run.proposals_approved, run.proposals_pending) == ("reviewed", 3, 0)
    told = [event.event for event in await operator.events(run_id)]
    assert told.count("proposal_approved") == 3
    assert told[-2:] == ["run_completed", "run_reviewed"]
    found = await operator.proposals(run_id)
    assert {(proposal.reviewed_by, proposal.review_action) for proposal in found} == {("system", "approve")}
    async with operator.database.transaction() as session:
        approvals = await audit.listed(session, audit.conditions(action="approve"), limit=10)
        ids = await bulk.matching(session, proposals.conditions(run_id=run_id, reviewed_by="system"), 10)
    assert {entry.actor_kind for entry in approvals} == {"system"}
    outcome = await bulk.decide(ids, lambda one: decisions.reopen(operator.database, one, actor=LOCAL))
    assert (outcome.done, outcome.failed) == (3, [])
    run = await operator.check_books(run_id)
    assert (run.status, run.proposals_pending) == ("completed", 3)
    async with operator.database.transaction() as session:
        assert set((await session.exec(select(Task.status))).all()) == {"withdrawn"}


async def test_what_resembles_a_task_waits_for_a_person(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    first = await _run(operator, model, settings, RULE)
    async with operator.database.transaction() as session:
        project = (await session.exec(select(ProjectConfig))).one()
        # The same words in other messages.
        for proposal in (await session.exec(select(TaskProposal))).all():
            proposal.source_message_ids = [proposal.id]
    async with working(settings):
        await operator.commands.close(first)
        await operator.until(first, "closed")
        run = await operator.run(first)
        second = await operator.pending_run(run.agent_assignment_id, project=project.id, use_cache=False)
        await operator.commands.start(second)
        await operator.until(second, "completed", "reviewed")
    run = await operator.check_books(second)
    assert (run.status, run.proposals_approved, run.proposals_pending) == ("completed", 0, 3)
    async with operator.database.transaction() as session:
        query = select(TaskProposal.llm_recommendation).where(col(TaskProposal.run_id) == second)
        assert set((await session.exec(query)).all()) == {"update_existing"}


async def test_a_run_of_which_batches_failed_waits_for_a_person_who_may_retry(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    project = await add_project(operator.database, auto_approve=RULE)
    await operator.messages(30)
    model.script(Rule("rejected", text="part number 15"))
    async with working(settings):
        assignment = await operator.assignment(model.base_url)
        run_id = await operator.pending_run(assignment, project=project, auto_close_after_seconds=60)
        await operator.commands.start(run_id)
        await operator.until(run_id, "completed", "reviewed")
        run = await operator.check_books(run_id)
        assert (run.status, run.batches_failed, run.proposals_approved) == ("completed", 1, 2)
        assert state_of(run, settings).closes_at is None
        model.script()
        await operator.commands.retry(run_id)
        await operator.until(run_id, "reviewed")
    assert (await operator.check_books(run_id)).proposals_approved == 3


def _update(lines: list[ShownLine]) -> Answer:
    task = {"title": lines[0].text, "category": "bug", "confidence": 0.9, "source_message_ids": [lines[0].ref]}
    return {"proposals": [{**task, "recommendation": "update_existing"}]}


async def test_what_the_model_takes_for_an_update_waits_for_a_person(operator: Operator, settings: Settings) -> None:
    with ModelServer(answer=_update) as model:
        run = await operator.check_books(await _run(operator, model, settings, RULE))
    assert (run.status, run.proposals_pending) == ("completed", 3)


async def test_a_likeness_too_small_to_be_shown_is_still_too_much_for_a_strict_rule(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    project = await add_project(operator.database, auto_approve={**RULE, "max_similarity": 0.3})
    async with operator.database.transaction() as session:
        session.add(Task(title="Follow up on 0", project_config_id=project))
    await operator.messages(30)
    async with working(settings):
        run_id = await operator.pending_run(await operator.assignment(model.base_url), project=project)
        await operator.commands.start(run_id)
        await operator.until(run_id, "completed", "reviewed")
    run = await operator.check_books(run_id)
    assert (run.proposals_approved, run.proposals_pending) == (2, 1)
    assert {proposal.similarity_type for proposal in await operator.proposals(run_id)} == {"none"}
