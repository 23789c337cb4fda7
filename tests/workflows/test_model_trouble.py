"""What becomes of a run when its model misbehaves."""

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowExecutionStatus

from activities import asking
from db import lifecycle, runs
from models.run import AnalysisRun
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import KEY, Operator

pytestmark = pytest.mark.usefixtures("worker")


async def _failed(operator: Operator, base_url: str, **provider: object) -> AnalysisRun:
    """A run that ends in `failed`, in its row and in Temporal."""
    await operator.messages(30)
    run_id = await operator.started_run(await operator.assignment(base_url, **provider))
    run = await operator.until(run_id, "failed")
    workflow = await operator.workflow(run_id)
    await until(workflow.describe, lambda seen: seen.status is WorkflowExecutionStatus.FAILED)
    assert run.error_log is not None
    assert run.error_log["hint"]
    assert KEY not in str(run.error_log)
    last = (await operator.events(run_id))[-1]
    assert (last.event, last.data["error"]) == ("run_failed", run.error_log)
    assert not any(KEY in history for history in await operator.histories(run_id))
    return run


async def test_a_wrong_key_fails_the_run_and_says_what_to_do(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("unauthorized"))
    run = await _failed(operator, model.base_url)
    assert run.error_log is not None
    assert run.error_log["code"] == "model_auth"
    assert "api_key" in run.error_log["hint"]
    assert "401" in run.error_log["message"]


async def test_an_unknown_model_fails_the_run(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("unknown_model"))
    run = await _failed(operator, model.base_url)
    assert run.error_log is not None
    assert run.error_log["code"] == "model_not_found"


async def test_an_unreachable_server_fails_the_run(operator: Operator) -> None:
    run = await _failed(operator, "http://127.0.0.1:9/v1")
    assert run.error_log is not None
    assert run.error_log["code"] == "model_connection"


async def test_a_provider_switched_off_after_creation_fails_the_run_at_its_start(
    operator: Operator, model: ModelServer
) -> None:
    run_id = await operator.pending_run(await operator.assignment(model.base_url))
    async with operator.database.transaction() as session:
        await session.execute(text("UPDATE llm_providers SET is_active = false"))
    await operator.commands.start(run_id)
    run = await operator.until(run_id, "failed")
    assert run.error_log is not None
    assert run.error_log["code"] == "assignment_inactive"
    assert "Stand-in" in run.error_log["message"]


async def test_a_mended_provider_and_a_retry_complete_a_failed_run(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("unauthorized"))
    await operator.messages(30)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "failed")
    model.script()
    await operator.commands.retry(run_id)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert run.error_log is None
    assert run.batches_completed == 3


async def test_a_retry_that_comes_while_the_run_is_failing_is_not_lost(
    operator: Operator, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.script(Rule("unauthorized"))
    await operator.messages(30)
    run_id = await operator.pending_run(await operator.assignment(model.base_url))
    fail = lifecycle.fail

    async def fail_late(held: runs.LockedRun, error: lifecycle.RunError) -> None:
        # The row is locked: the workflow has the signal before it hears that the run failed.
        model.script()
        await (await operator.workflow(run_id)).signal("retry_failed_batches")
        await fail(held, error)

    monkeypatch.setattr(lifecycle, "fail", fail_late)
    await operator.commands.start(run_id)
    await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == 3


async def test_a_rate_limit_costs_a_batch_no_attempt(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("rate_limited", times=2, retry_after="1"))
    await operator.messages(30)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert run.batches_failed == 0
    assert {batch.attempts for batch in await operator.batches(run_id)} == {1}
    assert model.stats().outcomes["rate_limited"] == 2


async def test_a_rate_limit_that_names_no_time_is_waited_out_too(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("rate_limited", times=1))
    await operator.messages(20)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    await operator.check_books(run_id)
    assert {batch.attempts for batch in await operator.batches(run_id)} == {1}


async def test_a_rate_limit_that_names_no_wait_at_all_is_waited_out_too(
    operator: Operator, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAUSE_WITHOUT_RETRY_AFTER", (600.0,))
    model.script(Rule("rate_limited", retry_after="0"))
    await operator.messages(10)
    await operator.started_run(await operator.assignment(model.base_url))

    async def closed() -> bool:
        async with operator.database.transaction() as session:
            query = text("SELECT bool_or(closed_until > now() + interval '1 minute') FROM provider_limits")
            return bool(await session.scalar(query))

    await until(closed)
    assert model.stats().calls == 1


async def test_a_call_that_hangs_is_given_up_and_asked_again(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("hang", calls=(2,)))
    await operator.messages(30)
    run_id = await operator.started_run(await operator.assignment(model.base_url, request_timeout_seconds=1.0))
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    async with operator.database.transaction() as session:
        query = text("SELECT count(*) FROM model_calls WHERE run_id = :run AND outcome = 'timeout'")
        given_up = await session.scalar(query, {"run": run_id})
    # More than one where the machine stands still for the second that they have.
    assert given_up >= 1
    assert (run.batches_completed, run.llm_requests) == (3, 3 + given_up)


async def test_an_answer_cut_off_at_its_limit_fails_its_batch_without_paying_again(
    operator: Operator, model: ModelServer
) -> None:
    model.script(Rule("truncated", text="number 15"))
    await operator.messages(30)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.batches_failed, run.llm_requests) == (2, 1, 3)
    error = (await operator.batches(run_id))[1].error
    assert error is not None
    assert "max_tokens" in error


async def test_a_quota_that_is_used_up_from_the_start_fails_the_run(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("quota"))
    run = await _failed(operator, model.base_url)
    assert run.error_log is not None
    assert run.error_log["code"] == "model_quota_exhausted"


async def test_passing_server_errors_and_lost_connections_are_tried_again(
    operator: Operator, model: ModelServer
) -> None:
    model.script(Rule("server_error", calls=(2,)), Rule("reset", calls=(3,)))
    await operator.messages(40)
    run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=1)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.batches_failed) == (4, 0)
    assert model.stats().calls == 6


@pytest.mark.parametrize("misbehaviour", ["wrong_ids", "bad_confidence", "bad_enum", "invalid_json"])
async def test_a_bad_answer_is_asked_again_twice_and_then_fails_its_batch_alone(
    operator: Operator, model: ModelServer, misbehaviour: str
) -> None:
    model.script(Rule(misbehaviour, text="number 15"))  # type: ignore[arg-type]  # one of its words, as above
    await operator.messages(30)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.batches_failed) == (2, 1)
    assert model.stats().calls == 5
    assert run.llm_requests == 5
    batch = (await operator.batches(run_id))[1]
    assert (batch.status, batch.llm_requests, batch.attempts) == ("failed", 3, 1)
    assert batch.input_tokens > 0
    assert batch.error


async def test_a_bad_answer_mended_when_asked_again_is_a_good_one(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("wrong_ids", calls=(1,)))
    await operator.messages(10)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.llm_requests) == (1, 2)
    assert run.proposals_total > 0


async def test_when_every_batch_fails_the_run_fails(operator: Operator, model: ModelServer) -> None:
    model.script(Rule("prose"))
    run = await _failed(operator, model.base_url)
    assert run.error_log is not None
    assert run.error_log["code"] == "all_batches_failed"
    assert run.batches_failed == 3
