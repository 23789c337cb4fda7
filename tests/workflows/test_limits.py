"""A provider's limits hold over all workers and runs, and are shared out among the runs."""

from uuid import UUID

import pytest
from sqlalchemy import text

from settings import Settings
from tests.support.model_server import ModelServer
from tests.support.working import Operator, working

SLACK_SECONDS = 1.0
"""Between the moment at which a request may go and the one at which its record says that it went."""


async def _two_runs(operator: Operator, assignment: UUID) -> tuple[UUID, UUID]:
    """A run of forty batches, started first, and one of five behind it."""
    await operator.messages(400)
    large = await operator.started_run(assignment, concurrency=30)
    await operator.until(large, "running")
    await operator.messages(50, day=40)
    return large, await operator.started_run(assignment, day=40)


@pytest.mark.parametrize("limit", [{"max_concurrency": 2}, {"max_requests_per_minute": 120}], ids=str)
async def test_a_small_run_behind_a_large_one_is_done_long_before_it_on_two_workers(
    operator: Operator, model: ModelServer, settings: Settings, limit: dict[str, int]
) -> None:
    model.script(latency=0.3)
    assignment = await operator.assignment(model.base_url, **limit)
    async with working(settings), working(settings):
        large, small = await _two_runs(operator, assignment)
        await operator.until(small, "completed")
        assert (await operator.run(large)).batches_completed < 30
        await operator.until(large, "completed")
    for run_id, batches in ((large, 40), (small, 5)):
        assert (await operator.check_books(run_id)).batches_completed == batches
    assert model.stats().calls == 45
    if "max_concurrency" in limit:
        assert model.stats().max_in_flight == 2


async def test_the_rate_is_never_over_its_burst(operator: Operator, model: ModelServer, settings: Settings) -> None:
    rate = 2.0
    await operator.messages(300)
    assignment = await operator.assignment(model.base_url, max_requests_per_minute=round(60 * rate))
    async with working(settings), working(settings):
        run_id = await operator.started_run(assignment, concurrency=30)
        await operator.until(run_id, "completed")
    async with operator.database.transaction() as session:
        query = text("SELECT extract(epoch FROM at)::float8 - latency_ms / 1000.0 FROM model_calls ORDER BY 1")
        sent = [float(row[0]) for row in (await session.execute(query)).all()]
    assert len(sent) == 30
    burst = 5 * rate
    for first, begin in enumerate(sent):
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + rate * (sent[last] - begin + SLACK_SECONDS) + 1
