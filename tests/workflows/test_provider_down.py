"""A provider that worked goes down: the run pauses, probes, and goes on by itself."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from temporalio.client import WorkflowExecutionStatus

from settings import Settings
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator, working
from workflows.analysis_run import pause_before_probe

CALLS_BEFORE = 3


@pytest.fixture
async def hasty(settings: Settings, operator: Operator) -> AsyncIterator[None]:
    """A worker that soon calls a provider down, and soon probes it."""
    changes = {"provider_silence_seconds": 1.0, "provider_probe_seconds": 0.2}
    async with working(settings.model_copy(update=changes)):
        yield


async def _held_run(operator: Operator, model: ModelServer, *rules: Rule) -> UUID:
    """A run of ten batches, three of them done, whose provider is down by these rules."""
    after = tuple(range(CALLS_BEFORE + 1, 1000))
    model.script(*(Rule(**{**vars(rule), "calls": after}) for rule in rules))
    await operator.messages(100)
    run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=2)
    run = await operator.until(run_id, "paused")
    assert run.paused_reason == "provider_unavailable"
    assert run.batches_completed == CALLS_BEFORE
    return run_id


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Rule("server_error", status=503), "model_server_error"),
        (Rule("reset"), "model_connection"),
        (Rule("unauthorized"), "model_auth"),
        (Rule("quota"), "model_quota_exhausted"),
    ],
    ids=lambda value: value.do if isinstance(value, Rule) else "",
)
async def test_the_run_pauses_says_why_and_resumes_by_itself_when_the_provider_is_back(
    operator: Operator, model: ModelServer, trouble: Rule, code: str
) -> None:
    run_id = await _held_run(operator, model, trouble)
    run = await operator.run(run_id)
    assert run.error_log is not None
    assert run.error_log["code"] == code
    assert run.error_log["hint"]
    paused = next(event for event in await operator.events(run_id) if event.event == "run_paused")
    assert (paused.data["reason"], paused.data["error"]["code"]) == ("provider_unavailable", code)
    probes = await until(lambda: _probes(operator, run_id))
    assert probes[0] == {"run_id": str(run_id), "up": False, "code": code}
    assert (await operator.run(run_id)).status == "paused"
    model.script()
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.batches_failed, run.error_log) == (10, 0, None)
    # The probe that found it up was the call of a batch: nothing is asked twice.
    assert model.stats().calls == 10 - CALLS_BEFORE
    assert (await _probes(operator, run_id))[-1]["up"] is True


def test_probes_wait_twice_as_long_each_time_however_long_the_provider_is_down() -> None:
    seconds = [pause_before_probe(30, probes).total_seconds() for probes in range(1000)]
    assert seconds[:6] == [30, 60, 120, 240, 480, 900]
    assert set(seconds[5:]) == {900}


@pytest.mark.usefixtures("worker")
async def test_a_provider_that_is_back_is_believed_when_an_operator_resumes(
    operator: Operator, model: ModelServer
) -> None:
    run_id = await _held_run(operator, model, Rule("unauthorized"))
    model.script()
    workflow = await operator.workflow(run_id)
    await until(lambda: workflow.query("progress"), lambda progress: progress["next_probe_at"] is not None)
    await operator.commands.resume(run_id)
    await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == 10
    assert model.stats().calls == 10 - CALLS_BEFORE


@pytest.mark.usefixtures("hasty")
async def test_a_bad_answer_to_a_probe_means_that_the_provider_is_up(operator: Operator, model: ModelServer) -> None:
    run_id = await _held_run(operator, model, Rule("unauthorized"))
    model.script(Rule("prose", times=3))
    await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == 10


@pytest.mark.usefixtures("hasty")
async def test_a_run_that_is_held_by_its_provider_can_be_cancelled(operator: Operator, model: ModelServer) -> None:
    run_id = await _held_run(operator, model, Rule("unauthorized"))
    await operator.commands.cancel(run_id)
    await operator.until(run_id, "cancelled")
    workflow = await operator.workflow(run_id)
    await until(workflow.describe, lambda seen: seen.status is WorkflowExecutionStatus.CANCELED)
    assert (await operator.check_books(run_id)).batches_completed == CALLS_BEFORE


@pytest.mark.usefixtures("hasty")
async def test_a_held_run_keeps_probing_after_its_workflow_was_lost(operator: Operator, model: ModelServer) -> None:
    run_id = await _held_run(operator, model, Rule("unauthorized"))
    await (await operator.workflow(run_id)).terminate()
    await operator.commands._temporal.start(await operator.run(run_id))
    probed = len(await _probes(operator, run_id))
    await until(lambda: _probes(operator, run_id), lambda probes: len(probes) > probed)
    model.script()
    await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == 10


async def _probes(operator: Operator, run_id: UUID) -> list[dict[str, object]]:
    return [event.data for event in await operator.events(run_id) if event.event == "provider_probed"]
