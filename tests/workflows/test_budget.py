"""A run keeps its budget: money is set aside before each call, and at the cap the run waits for more."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from db import limiter
from models.run import AnalysisRun
from models.run_views import LimitsPatch
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
async def assignment(operator: Operator, model: ModelServer) -> UUID:
    return await operator.assignment(model.base_url)


@pytest.fixture
async def batch_cost(operator: Operator, model: ModelServer, assignment: UUID) -> Decimal:
    """What a batch of the next runs costs, measured by a run without a budget over thirty batches."""
    await operator.messages(300)
    run_id = await operator.started_run(assignment)
    run = await operator.until(run_id, "completed")
    assert run.cost_estimate is not None
    async with operator.database.transaction() as session:
        await session.execute(text("UPDATE analysis_runs SET status = 'closed'"))
    model.script(latency=0.1)
    return round(run.cost_estimate / run.batches_completed, 6)


async def _run(operator: Operator, assignment: UUID, budget: Decimal, **options: Any) -> UUID:
    return await operator.started_run(assignment, use_cache=False, budget_usd=budget, **options)


async def _spent(operator: Operator, run: AnalysisRun) -> Decimal:
    """What the run's calls cost, from their rows, however they ended."""
    async with operator.database.transaction() as session:
        query = text("SELECT sum(cost_usd) FROM model_calls WHERE run_id = :run")
        return Decimal(await session.scalar(query, {"run": run.id}))


async def test_parallel_calls_stay_under_the_cap_and_use_it_well(
    operator: Operator, model: ModelServer, assignment: UUID, batch_cost: Decimal
) -> None:
    budget = 10 * batch_cost
    run_id = await _run(operator, assignment, budget, concurrency=20)
    run = await until(lambda: operator.run(run_id), lambda run: run.status == "paused" and run.stage == "held")
    assert run.paused_reason == "budget"
    spent = await _spent(operator, run)
    assert spent == run.cost_estimate
    assert budget / 2 <= spent <= budget
    assert run.error_log is not None
    assert run.error_log["code"] == "budget_spent"
    assert f"{budget:f}" in run.error_log["message"]
    assert "budget_usd" in run.error_log["hint"]
    assert await _reservations(operator, run_id) == []
    await operator.check_books(run_id)


async def test_a_run_goes_on_by_itself_when_the_cap_is_raised(
    operator: Operator, model: ModelServer, assignment: UUID, batch_cost: Decimal
) -> None:
    run_id = await _run(operator, assignment, 5 * batch_cost)
    paused = await operator.until(run_id, "paused")
    await operator.commands.set_limits(run_id, LimitsPatch(budget_usd=1000 * batch_cost))
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.error_log) == (30, None)
    assert run.batches_completed > paused.batches_completed
    events = [event.event for event in await operator.events(run_id)]
    assert events.count("run_paused") == events.count("run_resumed") == events.count("limits_changed") == 1


async def test_a_resume_without_more_money_pauses_again_and_pays_nothing_over_the_cap(
    operator: Operator, model: ModelServer, assignment: UUID, batch_cost: Decimal
) -> None:
    run_id = await _run(operator, assignment, 5 * batch_cost)
    await operator.until(run_id, "paused")
    await operator.commands.resume(run_id)
    await until(
        lambda: operator.events(run_id), lambda events: [event.event for event in events].count("run_paused") == 2
    )
    run = await operator.until(run_id, "paused")
    assert await _spent(operator, run) <= 5 * batch_cost


async def test_an_answer_that_the_rest_of_the_budget_cut_off_fails_no_batch(
    operator: Operator, model: ModelServer, assignment: UUID, batch_cost: Decimal
) -> None:
    answer = model.answer
    # Each answer is so much longer than those before it that what is set aside for it can't hold it.
    lengths = iter(range(1, 1000))
    model.answer = lambda lines: {
        "proposals": [p | {"description": "long " * 40 * next(lengths) ** 2} for p in answer(lines)["proposals"]]
    }
    run_id = await _run(operator, assignment, 12 * batch_cost, concurrency=1)
    run = await operator.until(run_id, "paused")
    assert (run.paused_reason, run.batches_failed) == ("budget", 0)
    assert await _spent(operator, run) <= 12 * batch_cost


async def test_what_a_run_costs_is_counted_from_when_it_begins_with_a_known_price(
    operator: Operator, assignment: UUID, batch_cost: Decimal
) -> None:
    run_id = await operator.pending_run(assignment, use_cache=False)
    async with operator.database.transaction() as session:
        # As it is where the price was unknown when the run was made.
        await session.execute(text("UPDATE analysis_runs SET cost_estimate = NULL WHERE id = :id"), {"id": run_id})
    await operator.commands.start(run_id)
    run = await operator.until(run_id, "completed")
    assert run.cost_estimate == await _spent(operator, run) > batch_cost


async def test_a_call_that_was_given_up_counts_as_spent(
    operator: Operator, model: ModelServer, assignment: UUID, batch_cost: Decimal
) -> None:
    model.script(Rule("hang", calls=(1,)))
    async with operator.database.transaction() as session:
        await session.execute(text("UPDATE llm_providers SET request_timeout_seconds = 1"))
    run_id = await _run(operator, assignment, 1000 * batch_cost)
    await operator.until(run_id, "completed")
    # Besides the call that hangs, a second is short enough for a machine that stood still to give others up.
    async with operator.database.transaction() as session:
        query = text("SELECT batch_no FROM model_calls WHERE run_id = :run AND outcome = 'timeout' ORDER BY 1")
        given_up = list((await session.scalars(query, {"run": run_id})).all())
    assert given_up
    reserved = await _reservations(operator, run_id)
    assert sorted(row.batch_no for row in reserved) == given_up
    assert {row.state for row in reserved} == {"unknown"}
    assert min(row.reserved_usd for row in reserved) > batch_cost


async def test_money_set_aside_for_a_request_that_an_outage_kept_back_is_given_back(
    operator: Operator, assignment: UUID, batch_cost: Decimal, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, outages = limiter.take, 1

    async def take(*asked: Any) -> float:
        nonlocal outages
        if outages:
            outages -= 1
            raise asyncpg.ConnectionDoesNotExistError("the database went away")
        return await really(*asked)

    monkeypatch.setattr(limiter, "take", take)
    run_id = await _run(operator, assignment, 1000 * batch_cost)
    await operator.until(run_id, "completed")
    assert outages == 0
    assert await _reservations(operator, run_id) == []


async def test_a_budget_too_small_for_one_call_pauses_before_the_first(
    operator: Operator, model: ModelServer, assignment: UUID, batch_cost: Decimal
) -> None:
    run_id = await _run(operator, assignment, round(batch_cost / 10, 6))
    run = await operator.until(run_id, "paused")
    assert (run.paused_reason, run.llm_requests) == ("budget", 0)
    assert model.stats().calls == 0


async def test_a_bad_answer_is_asked_again_within_the_budget(
    operator: Operator, model: ModelServer, assignment: UUID, batch_cost: Decimal
) -> None:
    model.script(Rule("wrong_ids"))
    run_id = await _run(operator, assignment, 6 * batch_cost)
    run = await operator.until(run_id, "paused", "failed")
    assert run.status == "paused"
    assert await _spent(operator, run) <= 6 * batch_cost


async def _reservations(operator: Operator, run_id: UUID) -> list[Any]:
    async with operator.database.transaction() as session:
        query = text("SELECT * FROM budget_reservations WHERE run_id = :run")
        return list((await session.execute(query, {"run": run_id})).all())
