"""Proposals are told to belong to projects."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from db import decisions, messages, tasks
from models.actor import LOCAL
from models.conversation import IncomingMessage
from models.proposal import TaskProposal
from settings import Settings
from tests.support.builders import add_project
from tests.support.model_answers import Answer, ShownLine
from tests.support.model_server import ModelServer
from tests.support.working import START, Operator, working


def _one_each(lines: list[ShownLine]) -> Answer:
    return {
        "proposals": [
            {"title": line.text, "category": "chore", "confidence": 0.8, "source_message_ids": [line.ref]}
            for line in lines
        ]
    }


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(answer=_one_each) as server:
        yield server


async def _found(
    operator: Operator, measuring: Settings, assignment: UUID, *texts: str, day: int = 0
) -> list[TaskProposal]:
    said = [
        IncomingMessage("dev", f"{day}-{at}", "ada", START + timedelta(days=day, minutes=at), text)
        for at, text in enumerate(texts)
    ]
    async with operator.database.transaction() as session:
        await messages.store(session, {"test": said}, source_type="api")
    async with working(measuring):
        run_id = await operator.started_run(assignment, day=day)
        await operator.until(run_id, "completed", "failed")
    by_title = {proposal.proposed_title: proposal for proposal in await operator.proposals(run_id)}
    return [by_title[text] for text in texts]


async def test_words_and_earlier_tasks_tell_the_project(
    operator: Operator, model: ModelServer, measuring: Settings
) -> None:
    shop = await add_project(operator.database, name="Shop", keywords=["checkout", "voucher"])
    app = await add_project(operator.database, name="Hiking app", keywords=["iOS"])
    assignment = await operator.assignment(model.base_url)
    pay, plants, heat = await _found(
        operator,
        measuring,
        assignment,
        "Let people use a voucher at the checkout",
        "Water the plants in the kitchen",
        "The phone gets hot after an hour of recording a track",
    )
    assert (pay.proposed_project_id, pay.project_keywords_matched) == (shop, ["checkout", "voucher"])
    assert pay.project_classification_confidence is not None
    assert pay.project_classification_confidence > 0.5
    assert (plants.proposed_project_id, plants.project_classification_confidence) == (None, None)
    assert {one.project_config_id for one in (pay, plants, heat)} == {None}
    task = (await decisions.approve(operator.database, heat.id, actor=LOCAL)).proposal.task_id
    assert task is not None
    await tasks.change(operator.database, task, {"project_config_id": app}, actor=LOCAL, version=1)
    [again] = await _found(operator, measuring, assignment, "Recording a track makes the phone too hot", day=40)
    assert again.proposed_project_id == app
