"""A provider's limits hold over all workers and runs, and are shared out among the runs."""

from uuid import UUID

import pytest
from sqlalchemy import text

from db import limiter
from settings import Settings
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator, working

SLACK_SECONDS = 1.0
"""Between the moment at which a request may go and the one at which its record says that it went."""


async def _two_runs(operator: Operator, assignment: UUID) -> tuple[UUID, UUID]:
    """A run of thirty batches and one of five that came after it. The provider takes no call before both wait for
    one, so it is no matter of how fast they are prepared what each gets."""
    await _close(operator)
    await operator.messages(300)
    large = await operator.started_run(assignment, concurrency=20)
    await _waits(operator, large)
    await operator.messages(50, day=40)
    small = await operator.started_run(assignment, day=40)
    await _waits(operator, small)
    await _open(operator)
    return large, small


async def _close(operator: Operator) -> None:
    async with operator.database.transaction() as session:
        provider_id = await session.scalar(text("SELECT id FROM llm_providers"))
        await limiter.close(session, provider_id, limiter.LONGEST_CLOSURE_SECONDS)


async def _open(operator: Operator) -> None:
    async with operator.database.transaction() as session:
        await session.execute(text("UPDATE provider_limits SET closed_until = NULL"))


async def _waits(operator: Operator, run_id: UUID) -> None:
    """Until the run asked for a place or a request."""

    async def asked() -> bool:
        async with operator.database.transaction() as session:
            query = text("SELECT EXISTS (SELECT FROM provider_turns WHERE run_id = :run)")
            return bool(await session.scalar(query, {"run": run_id}))

    await until(asked)


@pytest.mark.parametrize("limit", [{"max_concurrency": 2}, {"max_requests_per_minute": 120}], ids=str)
async def test_a_small_run_behind_a_large_one_is_done_long_before_it_on_two_workers(
    operator: Operator,
    model: ModelServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    limit: dict[str, int],
) -> None:
    monkeypatch.setattr(limiter, "LEASE_SECONDS", 60.0)  # nobody dies here, but the machine may stand still
    model.script(latency=0.3)
    assignment = await operator.assignment(model.base_url, **limit)
    async with working(settings), working(settings):
        large, small = await _two_runs(operator, assignment)
        await operator.until(small, "completed")
        assert (await operator.run(large)).batches_completed < 20
        await operator.until(large, "completed")
    for run_id, batches in ((large, 30), (small, 5)):
        assert (await operator.check_books(run_id)).batches_completed == batches
    assert model.stats().calls == 35
    if "max_concurrency" in limit:
        assert model.stats().max_in_flight == 2


async def test_the_rate_is_never_over_its_burst(operator: Operator, model: ModelServer, settings: Settings) -> None:
    rate = 2.0
    await operator.messages(180)
    assignment = await operator.assignment(model.base_url, max_requests_per_minute=round(60 * rate))
    async with working(settings), working(settings):
        run_id = await operator.started_run(assignment, concurrency=18)
        await operator.until(run_id, "completed")
    async with operator.database.transaction() as session:
        query = text("SELECT extract(epoch FROM at)::float8 - latency_ms / 1000.0 FROM model_calls ORDER BY 1")
        sent = [float(row[0]) for row in (await session.execute(query)).all()]
    assert len(sent) == 18
    burst = 5 * rate
    for first, begin in enumerate(sent):
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + rate * (sent[last] - begin + SLACK_SECONDS) + 1
