"""Large runs and large messages leave small histories. `make size` runs the same at full size."""

import pytest

from settings import Settings
from tests.support.model_server import ModelServer
from tests.support.working import Operator, working

GRPC_LIMIT_BYTES = 4 * 1024 * 1024


@pytest.mark.parametrize(("batches", "limit", "group_from"), [(100, 130, 0), (200, 80, 50)])
async def test_a_run_of_many_batches_is_many_executions_of_bounded_histories(
    operator: Operator, model: ModelServer, settings: Settings, batches: int, limit: int, group_from: int
) -> None:
    concurrency = 20
    await operator.messages(10 * batches)
    async with working(settings.model_copy(update={"history_limit": limit, "group_from": group_from})):
        run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=concurrency)
        await operator.until(run_id, "completed", "failed")
        run = await operator.check_books(run_id)
        histories = await operator.executions(run_id)
    assert (run.batches_completed, model.stats().calls) == (batches, batches)
    assert len(histories) > 3
    # What is under way at the limit is brought to its end in the same execution: a step of six events a batch.
    assert max(len(history.events) for history in histories) < limit + 6 * concurrency


async def test_a_batch_too_large_for_temporal_leaves_a_small_history_and_reaches_the_model_whole(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    text = "please fix it " + "and say why " * 8_330
    await operator.messages(50, text=text)
    async with working(settings):
        run_id = await operator.started_run(await operator.assignment(model.base_url), max_batch_size=50)
        await operator.until(run_id, "completed", "failed")
        run = await operator.check_books(run_id)
        histories = await operator.executions(run_id)
    assert (run.status, run.batches_completed, run.batches_failed) == ("completed", 1, 0)
    [prompt] = model.stats().prompts
    assert len(prompt) > 50 * 99_900 > GRPC_LIMIT_BYTES
    assert prompt.count(text) == 50
    assert sum(len(history.to_json()) for history in histories) < 100_000
