"""A run's life from start to close, on the real servers."""

import base64
import json
from uuid import UUID

import pytest
from temporalio.client import WorkflowExecutionStatus

from db import decisions
from models.actor import LOCAL
from settings import Settings
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import KEY, Operator, working


@pytest.mark.usefixtures("worker")
async def test_a_run_goes_from_pending_to_completed_with_its_books_in_order(
    operator: Operator, model: ModelServer
) -> None:
    await operator.messages(45)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.total_messages_in_window, run.messages_after_prefilter, run.batches_created) == (45, 45, 5)
    assert run.proposals_total > 0
    assert run.llm_requests == model.stats().calls == 5
    assert run.cost_estimate is not None
    assert run.cost_estimate > 0
    names = [event.event for event in await operator.events(run_id)]
    assert names[:5] == ["run_created", "run_started", "messages_fetched", "messages_prefiltered", "batches_created"]
    assert names[-1] == "run_completed"
    assert names.count("progress_updated") == 5


@pytest.mark.usefixtures("worker")
async def test_an_empty_window_is_a_completed_run_that_can_be_closed(operator: Operator, model: ModelServer) -> None:
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    run = await operator.commands.close(run_id)
    assert run.status == "closed"
    assert run.accuracy_metrics is not None
    assert run.accuracy_metrics["approval_rate"] is None
    assert model.stats().calls == 0


@pytest.mark.usefixtures("worker")
async def test_a_closed_run_is_completed_in_temporal_and_terminal(operator: Operator, model: ModelServer) -> None:
    await operator.messages(10)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    for proposal in await operator.proposals(run_id):
        await decisions.approve(operator.database, proposal.id, actor=LOCAL)
    assert (await operator.commands.close(run_id)).status == "closed"
    workflow = await operator.workflow(run_id)
    await until(workflow.describe, lambda seen: seen.status is WorkflowExecutionStatus.COMPLETED)


@pytest.mark.usefixtures("worker")
async def test_what_waits_for_a_person_has_an_almost_empty_history(operator: Operator, model: ModelServer) -> None:
    await operator.messages(100)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")

    _, waiting = await two_histories(operator, run_id)
    assert len(json.loads(waiting)["events"]) < 20


async def two_histories(operator: Operator, run_id: UUID) -> tuple[str, str]:
    """The histories of the analysis and of the wait for a person, as soon as both are listed."""
    first, second = await until(lambda: operator.histories(run_id), lambda kept: len(kept) == 2)
    return (first, second) if _first_time(first) < _first_time(second) else (second, first)


def _first_time(history: str) -> str:
    return str(json.loads(history)["events"][0]["eventTime"])


@pytest.mark.usefixtures("worker")
async def test_neither_text_nor_prompt_nor_key_enters_the_history(operator: Operator, model: ModelServer) -> None:
    canary = "canarytext"
    await operator.messages(30, text=canary)
    assignment = await operator.assignment(model.base_url)
    run_id = await operator.started_run(assignment)
    await operator.until(run_id, "completed")
    assert any(canary in prompt for prompt in model.stats().prompts)
    for history in await two_histories(operator, run_id):
        decoded = _decoded(history)
        for secret in (canary, KEY, "You read team chat", "<<<MESSAGES"):
            assert secret not in decoded


def _decoded(history: str) -> str:
    """The history with every payload's data readable."""

    def walk(value: object) -> object:
        if isinstance(value, dict):
            return {key: _text(item) if key == "data" else walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    def _text(data: object) -> object:
        return base64.b64decode(data).decode(errors="replace") if isinstance(data, str) else walk(data)

    return json.dumps(walk(json.loads(history)))


async def test_a_run_that_outgrows_its_history_continues_in_a_new_execution(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    await operator.messages(300)
    limited = settings.model_copy(update={"history_limit": 60})
    async with working(limited):
        run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=4)
        await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert run.batches_completed == 30
    assert model.stats().calls == 30
    await until(lambda: operator.histories(run_id), lambda kept: len(kept) > 3)


async def test_a_run_waits_for_a_worker_and_then_goes_on(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    await operator.messages(10)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    run = await operator.run(run_id)
    assert (run.status, run.stage) == ("pending", "queued")
    async with working(settings):
        await operator.until(run_id, "completed")


async def test_a_queued_run_is_cancelled_though_no_worker_took_it(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    await operator.messages(10)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    assert (await operator.commands.cancel(run_id)).status == "cancelled"
    workflow = await operator.workflow(run_id)
    async with working(settings):
        await until(workflow.describe, lambda seen: seen.status is WorkflowExecutionStatus.CANCELED)
    assert (await operator.run(run_id)).status == "cancelled"
    assert [event.event for event in await operator.events(run_id)] == ["run_created", "run_cancelled"]
    assert model.stats().calls == 0
