"""What operators tell a run to do, by the API's commands and by Temporal's own."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from api import run_commands, temporal_gateway
from db import audit, decisions
from errors import Conflict, NotFound, Unavailable
from models.actor import LOCAL, Actor
from models.run_views import LimitsPatch
from settings import Settings
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is there, so every command shows on the row after a while."""
    monkeypatch.setattr(run_commands, "WAIT_SECONDS", 60.0)


@pytest.fixture
async def slow_run(operator: Operator, model: ModelServer) -> UUID:
    """A run of ten batches, two at a time: two are settled, and the answers to the others come when the model is
    released."""
    model.hold(after=2)
    await operator.messages(100)
    run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=2)
    await until(lambda: operator.run(run_id), lambda run: run.batches_completed == 2)
    await until(lambda: asyncio.sleep(0, model.stats().in_flight), lambda calls: calls == 2)
    return run_id


async def test_a_paused_run_lets_calls_finish_and_starts_none(
    operator: Operator, model: ModelServer, slow_run: UUID
) -> None:
    paused = await operator.commands.pause(slow_run)
    assert (paused.status, paused.paused_reason, paused.pending_command) == ("paused", "requested", None)
    model.release()
    held = await until(lambda: operator.run(slow_run), lambda run: run.stage == "held")
    calls = model.stats().calls
    assert held.batches_completed == calls == 4
    assert model.stats().in_flight == 0
    resumed = await operator.commands.resume(slow_run)
    assert resumed.status == "running"
    await operator.until(slow_run, "completed")
    run = await operator.check_books(slow_run)
    assert model.stats().calls == run.batches_completed == 10
    names = [event.event for event in await operator.events(slow_run)]
    assert names.count("run_paused") == names.count("run_resumed") == 1


async def test_a_cancelled_run_keeps_what_was_saved(operator: Operator, model: ModelServer, slow_run: UUID) -> None:
    cancelled = await operator.commands.cancel(slow_run)
    assert cancelled.status == "cancelled"
    run = await operator.check_books(slow_run)
    assert run.batches_completed == 2
    assert run.proposals_total >= 1
    assert (await operator.events(slow_run))[-1].event == "run_cancelled"
    workflow = await operator.workflow(slow_run)
    await until(workflow.describe, lambda seen: seen.status is WorkflowExecutionStatus.CANCELED)


async def test_a_cancel_by_temporal_is_the_same(operator: Operator, slow_run: UUID) -> None:
    await (await operator.workflow(slow_run)).cancel()
    await operator.until(slow_run, "cancelled")
    assert (await operator.events(slow_run))[-1].event == "run_cancelled"


async def test_a_cancel_of_a_completed_run_is_refused_and_changes_nothing(
    operator: Operator, model: ModelServer
) -> None:
    await operator.messages(10)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    with pytest.raises(Conflict, match="cancel"):
        await operator.commands.cancel(run_id)
    await (await operator.workflow(run_id)).cancel()
    events = await until(lambda: operator.events(run_id), lambda events: events[-1].event == "command_refused")
    assert events[-1].data == {"run_id": str(run_id), "command": "cancel", "code": "invalid_transition"}
    await until(lambda: _described(operator, run_id), lambda status: status is WorkflowExecutionStatus.RUNNING)
    assert (await operator.run(run_id)).status == "completed"


async def test_a_run_that_refused_a_cancel_can_be_cancelled_when_it_works_again(
    operator: Operator, model: ModelServer
) -> None:
    model.script(Rule("prose", text="number 15"))
    await operator.messages(50)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    await (await operator.workflow(run_id)).cancel()
    await until(lambda: operator.events(run_id), lambda events: events[-1].event == "command_refused")
    model.hold()
    await operator.commands.retry(run_id)
    await until(lambda: asyncio.sleep(0, model.stats().in_flight), lambda calls: calls == 1)
    await operator.commands.cancel(run_id)
    await operator.until(run_id, "cancelled")


async def _described(operator: Operator, run_id: UUID) -> WorkflowExecutionStatus | None:
    return (await (await operator.workflow(run_id)).describe()).status


async def test_a_signal_that_the_state_forbids_leaves_only_an_event(
    operator: Operator, model: ModelServer, slow_run: UUID
) -> None:
    await (await operator.workflow(slow_run)).signal("resume")
    events = await until(
        lambda: operator.events(slow_run), lambda events: any(e.event == "command_refused" for e in events)
    )
    refused = next(event for event in events if event.event == "command_refused")
    assert refused.data["command"] == "resume"
    assert (await operator.run(slow_run)).status == "running"
    model.release()
    await operator.until(slow_run, "completed")


@pytest.mark.parametrize(
    "limits",
    [{"concurrency": 0}, {"budget_usd": "much"}, {"budget_usd": "-1"}],
    ids=str,
)
async def test_limits_that_the_api_would_refuse_are_refused_from_a_signal_too(
    operator: Operator, model: ModelServer, slow_run: UUID, limits: dict[str, Any]
) -> None:
    before = (await operator.run(slow_run)).options
    workflow = await operator.workflow(slow_run)
    await workflow.signal("set_limits", limits)
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await workflow.execute_update("change_limits", limits)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "validation_error"
    refused = [event.data for event in await operator.events(slow_run) if event.event == "command_refused"]
    assert refused == [{"run_id": str(slow_run), "command": "set_limits", "code": "validation_error"}] * 2
    model.release()
    run = await operator.until(slow_run, "completed")
    assert run.options == before


async def test_the_audit_tells_a_command_of_the_api_from_a_signal(
    operator: Operator, model: ModelServer, slow_run: UUID
) -> None:
    await operator.commands.pause(slow_run, Actor("key", str(uuid4()), "ops"))
    model.release()
    await operator.until(slow_run, "paused")
    await (await operator.workflow(slow_run)).signal("resume")
    await operator.until(slow_run, "completed")
    async with operator.database.transaction() as session:
        entries = await audit.listed(session, audit.conditions(entity_id=slow_run), limit=100)
        [proposal, *_] = await operator.proposals(slow_run)
        [found] = await audit.listed(session, audit.conditions(entity_id=proposal.id), limit=100)
    assert [(entry.action, entry.actor_kind, entry.actor_name) for entry in entries[::-1]] == [
        ("create", "system", "system"),
        ("start", "user", "local"),
        ("begin", "system", "system"),
        ("pause", "key", "ops"),
        ("resume", "system", "system"),
        ("complete", "system", "system"),
    ]
    assert (found.action, found.actor_kind, found.actor_name) == ("create", "model", proposal.model)


async def test_a_close_signal_is_refused_while_proposals_are_pending(operator: Operator, model: ModelServer) -> None:
    await operator.messages(10)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    workflow = await operator.workflow(run_id)
    await workflow.signal("close")
    events = await until(lambda: operator.events(run_id), lambda events: events[-1].event == "command_refused")
    assert events[-1].data["code"] == "proposals_pending"
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await workflow.execute_update("close_run")
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "proposals_pending"
    with pytest.raises(Conflict, match="to be decided") as refusal:
        await operator.commands.close(run_id)
    assert refusal.value.extra == {"proposals_pending": 1}
    for proposal in await operator.proposals(run_id):
        await decisions.approve(operator.database, proposal.id, actor=LOCAL)
    await workflow.signal("close")
    await operator.until(run_id, "closed")
    await until(lambda: _described(operator, run_id), lambda status: status is WorkflowExecutionStatus.COMPLETED)


async def test_concurrency_can_be_raised_while_the_run_works(
    operator: Operator, model: ModelServer, slow_run: UUID
) -> None:
    changed = await operator.commands.set_limits(slow_run, LimitsPatch(concurrency=8))
    assert changed.options["concurrency"] == 8
    await until(lambda: asyncio.sleep(0, model.stats().in_flight), lambda calls: calls == 8)
    model.release()
    await operator.until(slow_run, "completed")


async def test_two_starts_at_once_are_one_start(operator: Operator, model: ModelServer) -> None:
    await operator.messages(10)
    run_id = await operator.pending_run(await operator.assignment(model.base_url))
    outcomes = await asyncio.gather(*(operator.commands.start(run_id) for _ in range(5)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(refused) == 4
    assert {refusal.code for refusal in refused} == {"run_not_pending"}
    await operator.until(run_id, "completed")
    assert model.stats().calls == 1


async def test_a_pending_run_is_cancelled_at_once(operator: Operator, model: ModelServer) -> None:
    run_id = await operator.pending_run(await operator.assignment(model.base_url))
    assert (await operator.commands.cancel(run_id)).status == "cancelled"
    with pytest.raises(Conflict):
        await operator.commands.start(run_id)
    assert (await operator.commands.close(run_id)).status == "closed"


async def test_commands_to_an_unknown_run_are_404(operator: Operator) -> None:
    for command in (operator.commands.start, operator.commands.pause, operator.commands.close):
        with pytest.raises(NotFound):
            await command(uuid4())


@pytest.mark.parametrize("away", [{"temporal_address": "127.0.0.1:9"}, {"temporal_namespace": "nowhere"}])
async def test_a_start_without_temporal_leaves_the_run_pending(
    operator: Operator,
    model: ModelServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    away: dict[str, str],
) -> None:
    run_id = await operator.pending_run(await operator.assignment(model.base_url))
    elsewhere = Operator(operator.database, settings.model_copy(update=away))
    monkeypatch.setattr(temporal_gateway, "CALL_SECONDS", 3.0)
    with pytest.raises(Unavailable) as refusal:
        await elsewhere.commands.start(run_id)
    assert refusal.value.code == "temporal_unavailable"
    monkeypatch.setattr(temporal_gateway, "CALL_SECONDS", 60.0)
    run = await operator.run(run_id)
    assert (run.status, run.stage) == ("pending", None)
    await operator.commands.start(run_id)
    await operator.until(run_id, "completed")


async def test_a_terminated_run_goes_on_where_it_stood(operator: Operator, model: ModelServer, slow_run: UUID) -> None:
    await (await operator.workflow(slow_run)).terminate()
    await operator.commands.pause(slow_run)
    await operator.commands.resume(slow_run)
    model.release()
    await operator.until(slow_run, "completed")
    run = await operator.check_books(slow_run)
    assert run.batches_completed == 10


async def test_failed_batches_alone_run_again(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("prose", text="number 15"))
    await operator.messages(50)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    run = await operator.until(run_id, "completed")
    assert (run.batches_completed, run.batches_failed) == (4, 1)
    failed = next(event for event in await operator.events(run_id) if event.event == "batch_failed")
    assert failed.data["batch_no"] == 2
    assert failed.data["error"]
    model.script()
    await operator.commands.retry(run_id)
    await until(lambda: operator.run(run_id), lambda run: run.status == "completed" and not run.batches_failed)
    run = await operator.check_books(run_id)
    assert run.batches_completed == 5
    assert model.stats().calls == 1
    with pytest.raises(Conflict) as refusal:
        await operator.commands.retry(run_id)
    assert refusal.value.code == "invalid_transition"


async def test_a_cancel_in_the_middle_of_a_step_is_not_swallowed(operator: Operator, model: ModelServer) -> None:
    """However early it comes, the run is cancelled, or is completed already and says that it refused."""
    assignment = await operator.assignment(model.base_url)
    for _ in range(6):
        run_id = await operator.started_run(assignment)
        await (await operator.workflow(run_id)).cancel()
        run = await operator.until(run_id, "cancelled", "completed")
        if run.status == "completed":
            await until(partial(operator.events, run_id), lambda events: events[-1].event == "command_refused")
            await operator.commands.close(run_id)
