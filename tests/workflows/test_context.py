"""How a conversation began is shown with the batch that goes on with it, and is no evidence."""

import pytest

from activities.questions import read_question
from analysis.prompts import PROMPT_VERSION, read_shown
from db import batches
from settings import Settings
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator, working
from workflows import contract


@pytest.mark.usefixtures("worker")
async def test_the_last_messages_of_the_batch_before_are_shown_and_can_not_be_cited(
    operator: Operator, model: ModelServer
) -> None:
    model.script(Rule("hang"))
    await operator.messages(20, text="ok, please fix part number")
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await until(lambda: operator.run(run_id), lambda run: run.batched_at is not None)

    async with operator.database.transaction() as session:
        first, second = [
            await read_question(session, contract.BatchRef(run_id=run_id, batch_no=number), probing=False)
            for number in (1, 2)
        ]

    assert first is not None
    assert second is not None
    assert read_shown(first.prompt.user).context == []
    shown = read_shown(second.prompt.user)
    assert [line.text for line in shown.context] == [f"ok, please fix part number {number}" for number in range(5, 10)]
    assert list(second.prompt.refs.values()) == second.batch.message_ids


@pytest.mark.usefixtures("worker")
async def test_a_run_that_began_with_an_earlier_prompt_goes_on_without(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("hang"))
    await operator.messages(20, text="ok, please fix part number")
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await until(lambda: operator.run(run_id), lambda run: run.batched_at is not None)

    async with operator.database.transaction() as session:
        run = await operator.run(run_id)
        session.add(run)
        run.config_snapshot = {**run.config_snapshot, "prompt_version": "2"}
        await session.flush()
        question = await read_question(session, contract.BatchRef(run_id=run_id, batch_no=2), probing=False)

    assert question is not None
    assert len(question.batch.earlier) == batches.CONTEXT
    assert read_shown(question.prompt.user).context == []


async def test_new_runs_have_the_prompt_that_the_settings_name(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    assignment = await operator.assignment(model.base_url)
    for day, version, shows_context in ((0, "2", False), (40, "3", True)):
        await operator.messages(20, day=day, text="ok, please fix part number")
        model.script()
        async with working(settings.model_copy(update={"prompt_version": version})):
            run_id = await operator.started_run(assignment, day=day)
            await operator.until(run_id, "completed")
        assert (await operator.run(run_id)).config_snapshot["prompt_version"] == version
        assert any("[context] " in prompt for prompt in model.stats().prompts) == shows_context


def test_the_newest_prompt_is_what_the_settings_come_with() -> None:
    assert Settings.model_fields["prompt_version"].default == PROMPT_VERSION
