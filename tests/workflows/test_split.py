"""A batch that is longer than the model's context is split, and the numbers stay true."""

import pytest

from models.run import AnalysisRun
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.working import Operator

pytestmark = pytest.mark.usefixtures("worker")


async def _split_run(operator: Operator, model: ModelServer, *rules: Rule) -> AnalysisRun:
    """A finished run of three batches of ten messages, one batch at a time."""
    model.script(*rules)
    await operator.messages(30)
    run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=1)
    await operator.until(run_id, "completed", "failed")
    return await operator.check_books(run_id)


async def test_a_batch_that_is_too_long_is_split_in_two_and_leaves_the_counts(
    operator: Operator, model: ModelServer
) -> None:
    run = await _split_run(operator, model, Rule("context_too_long", text="number 15", times=1))
    assert (run.status, run.batches_created, run.batches_completed, run.batches_failed) == ("completed", 4, 4, 0)
    listed = await operator.batches(run.id)
    assert [(b.batch_no, b.status, b.message_count, b.split_from) for b in listed] == [
        (1, "completed", 10, None),
        (2, "split", 10, None),
        (3, "completed", 10, None),
        (4, "completed", 5, 2),
        (5, "completed", 5, 2),
    ]
    assert listed[3].message_ids + listed[4].message_ids == listed[1].message_ids
    events = await operator.events(run.id)
    split = next(event for event in events if event.event == "batch_split")
    assert split.data == {"run_id": str(run.id), "batch_no": 2, "into": [4, 5], "total_batches": 4}
    shown = [event.data for event in events if event.event == "progress_updated"]
    assert [data["current_batch"] for data in shown] == [1, 2, 3, 4]
    percents = [data["progress_percent"] for data in shown]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert run.progress_percent == 100


async def test_a_part_that_is_still_too_long_is_split_again_down_to_one_message_which_fails_alone(
    operator: Operator, model: ModelServer
) -> None:
    run = await _split_run(operator, model, Rule("context_too_long", text="number 15"))
    assert (run.status, run.batches_failed) == ("completed", 1)
    listed = await operator.batches(run.id)
    failed = next(batch for batch in listed if batch.status == "failed")
    assert failed.message_count == 1
    assert failed.error
    settled = [message for batch in listed if batch.status != "split" for message in batch.message_ids]
    assert len(settled) == len(set(settled)) == 30
    percents = [event.data["progress_percent"] for event in await operator.events(run.id) if "progress" in event.event]
    assert percents == sorted(percents)


async def test_a_retry_of_a_run_with_split_batches_runs_the_failed_part_alone(
    operator: Operator, model: ModelServer
) -> None:
    run = await _split_run(operator, model, Rule("context_too_long", text="number 15"))
    model.script()
    await operator.commands.retry(run.id)
    await operator.until(run.id, "completed")
    assert (await operator.check_books(run.id)).batches_failed == 0
    assert model.stats().calls == 1
