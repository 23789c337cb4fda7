"""Proposals of the same work are told to be so: in a batch, in a run, and where a task changed its title."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from db import decisions, messages, tasks, vectors
from models.actor import LOCAL
from models.conversation import IncomingMessage
from models.proposal import TaskProposal
from settings import Settings
from temporal_client import connect
from tests.support.model_answers import Answer, ShownLine
from tests.support.model_server import ModelServer
from tests.support.working import START, Operator, working
from workflows import contract

TITLES = [
    "Fix the login redirect on Safari",
    "Safari login redirect is broken",
    "Remove the beta banner",
    "Add the beta banner",
    "Update the billing docs",
    "Update the deployment docs",
]


def _one_each(lines: list[ShownLine]) -> Answer:
    """A proposal for every message, by the number that its text ends with."""
    return {
        "proposals": [
            {
                "title": TITLES[int(line.text.rsplit(" ", 1)[1])],
                "category": "chore",
                "confidence": 0.8,
                "source_message_ids": [line.ref],
            }
            for line in lines
        ]
    }


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(answer=_one_each) as server:
        yield server


async def _found(operator: Operator, model: ModelServer, measuring: Settings, *, size: int) -> dict[str, TaskProposal]:
    """The proposals by their titles of a run that takes its batches, each of so many messages, one by one."""
    said = [
        IncomingMessage(f"channel {at // size}", str(at), "ada", START + timedelta(minutes=at), f"do it, part {at}")
        for at in range(len(TITLES))
    ]
    async with operator.database.transaction() as session:
        await messages.store(session, {"test": said}, source_type="api")
    async with working(measuring):
        run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=1)
        await operator.until(run_id, "completed", "failed")
    await operator.check_books(run_id)
    return {proposal.proposed_title: proposal for proposal in await operator.proposals(run_id)}


@pytest.mark.parametrize("size", [1, 6], ids=["in the run", "in the batch"])
@pytest.mark.parametrize("embeddings", ["local", "off"], ids=["by meaning", "by words"])
async def test_of_two_proposals_of_the_same_work_the_later_one_says_so(
    operator: Operator, model: ModelServer, settings: Settings, embeddings: str, size: int
) -> None:
    compared = settings.model_copy(update={"embeddings": embeddings})
    found = await _found(operator, model, compared, size=size)
    login, again, remove, add, billing, deployment = (found[title] for title in TITLES)
    assert {one.status for one in found.values()} == {"pending"}
    assert (again.similar_proposal_id, again.similarity_type, again.llm_recommendation) == (
        login.id,
        "semantic",
        "merge",
    )
    assert again.similarity_score is not None
    assert again.similarity_score > 0.7
    assert again.diff_summary == {"verdict": "duplicate", "added": [], "missing": []}
    for one in (login, remove, add, billing):
        assert (one.similar_proposal_id, one.similarity_type, one.llm_recommendation) == (None, "none", "new_task")
    assert deployment.llm_recommendation == "new_task"


async def test_a_task_is_known_by_its_present_title(
    operator: Operator, model: ModelServer, measuring: Settings
) -> None:
    found = await _found(operator, model, measuring, size=6)
    approved = await decisions.approve(operator.database, found["Remove the beta banner"].id, actor=LOCAL)
    task_id = approved.proposal.task_id
    assert task_id is not None
    assert await _measured(operator, task_id) == "Remove the beta banner"
    await tasks.change(operator.database, task_id, {"title": "Delete the beta banner"}, actor=LOCAL, version=1)
    async with operator.database.transaction() as session:
        await session.execute(text("DELETE FROM proposal_vectors"))
        assert len(await vectors.lacking(session, 100)) == len(TITLES)
    async with working(measuring):
        client = await connect(measuring)
        sweep = contract.SweepInput(grace_seconds=0.0)
        await client.execute_workflow(contract.SWEEP_TYPE, sweep, id=f"sweep-{task_id}", task_queue=contract.QUEUE)
    assert await _measured(operator, task_id) == "Delete the beta banner"
    async with operator.database.transaction() as session:
        assert await vectors.lacking(session, 100) == []


async def _measured(operator: Operator, task_id: UUID) -> str | None:
    """The title of the task whose meaning is known."""
    async with operator.database.transaction() as session:
        query = text("SELECT title FROM task_vectors WHERE task_id = :id")
        title: str | None = await session.scalar(query, {"id": task_id})
    return title
