"""Runs of many batches, of which a worker gets several at a time."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from temporalio.api.enums.v1 import EventType

from models.run_views import LimitsPatch
from settings import Settings
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.worker_process import worker_process
from tests.support.working import Operator, working

BATCHES = 20
"""One at a time: a worker gets 8 of them, then 8 and 4."""


@pytest.fixture
def grouping(settings: Settings) -> Settings:
    return settings.model_copy(update={"group_from": BATCHES})


@pytest.fixture
async def worker(grouping: Settings, operator: Operator) -> AsyncIterator[None]:
    async with working(grouping):
        yield


async def _run(operator: Operator, model: ModelServer, *, batches: int = BATCHES, concurrency: int = 1) -> UUID:
    await operator.messages(10 * batches)
    return await operator.started_run(await operator.assignment(model.base_url), concurrency=concurrency)


async def _calls_made(model: ModelServer, number: int) -> None:
    await until(lambda: asyncio.sleep(0, model.stats().calls), lambda calls: calls >= number)


async def _activities(operator: Operator, run_id: UUID, *names: str) -> int:
    """How often those activities were scheduled."""
    return sum(
        event.activity_task_scheduled_event_attributes.activity_type.name in names
        for history in await operator.executions(run_id)
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )


@pytest.mark.usefixtures("worker")
async def test_a_large_run_takes_fewer_activities_than_batches(operator: Operator, model: ModelServer) -> None:
    run_id = await _run(operator, model)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, model.stats().calls, model.stats().max_in_flight) == (BATCHES, BATCHES, 1)
    assert await _activities(operator, run_id, "extract_group") == 3
    assert await _activities(operator, run_id, "extract_proposals") == 0
    shown = [
        event.data["current_batch"] for event in await operator.events(run_id) if event.event == "progress_updated"
    ]
    assert shown == list(range(1, BATCHES + 1))


@pytest.mark.usefixtures("worker")
async def test_a_small_run_gives_each_batch_an_activity(operator: Operator, model: ModelServer) -> None:
    run_id = await _run(operator, model, batches=BATCHES - 1)
    await operator.until(run_id, "completed")
    assert await _activities(operator, run_id, "extract_proposals") == BATCHES - 1
    assert await _activities(operator, run_id, "extract_group") == 0


@pytest.mark.usefixtures("worker")
async def test_many_groups_at_once_ask_no_more_at_a_time_than_the_run_may(
    operator: Operator, model: ModelServer
) -> None:
    model.script(latency=0.05)
    run_id = await _run(operator, model, batches=60, concurrency=4)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, model.stats().calls) == (60, 60)
    assert model.stats().max_in_flight <= 4


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_batch_that_fails_for_good_is_paid_for_once_and_stops_no_other(
    operator: Operator, model: ModelServer, concurrency: int
) -> None:
    model.script(Rule("bad_enum", text="number 25"), latency=0.05)
    run_id = await _run(operator, model, concurrency=concurrency)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.batches_failed) == (BATCHES - 1, 1)
    assert model.stats().calls == BATCHES - 1 + 3
    failed = next(batch for batch in await operator.batches(run_id) if batch.status == "failed")
    assert failed.batch_no == 3
    assert failed.error


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_batch_that_fails_in_passing_is_asked_again_and_no_other(
    operator: Operator, model: ModelServer, concurrency: int
) -> None:
    model.script(Rule("server_error", text="number 25", times=1), latency=0.05)
    run_id = await _run(operator, model, concurrency=concurrency)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.batches_failed) == (BATCHES, 0)
    assert model.stats().calls == BATCHES + 1


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_batch_that_is_too_long_is_split_and_the_others_go_on(
    operator: Operator, model: ModelServer, concurrency: int
) -> None:
    model.script(Rule("context_too_long", text="number 25", times=1), latency=0.05)
    run_id = await _run(operator, model, concurrency=concurrency)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_created, run.batches_completed, run.batches_failed) == (BATCHES + 1, BATCHES + 1, 0)


_THIRD_IS_NOT_SAVED_AT_ONCE = (
    "CREATE SEQUENCE saves",
    """
    CREATE FUNCTION fail_at_first() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.batch_no = 3 AND nextval('saves') <= 3 THEN RAISE EXCEPTION 'not now'; END IF;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER not_at_once BEFORE INSERT ON task_proposals FOR EACH ROW EXECUTE FUNCTION fail_at_first()",
)


@pytest.mark.usefixtures("worker")
async def test_an_answer_that_can_not_be_saved_at_once_is_saved_later_and_paid_for_once(
    operator: Operator, model: ModelServer
) -> None:
    async with operator.database.transaction() as session:
        for statement in _THIRD_IS_NOT_SAVED_AT_ONCE:
            await session.execute(text(statement))
    run_id = await _run(operator, model)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.batches_failed, model.stats().calls) == (BATCHES, 0, BATCHES)


@pytest.mark.usefixtures("worker")
async def test_a_pause_ends_a_group_after_the_call_that_is_under_way(operator: Operator, model: ModelServer) -> None:
    model.hold(after=1)
    run_id = await _run(operator, model)
    await _calls_made(model, 2)
    await operator.commands.pause(run_id)
    await operator.until(run_id, "paused")
    model.release()
    await until(lambda: operator.run(run_id), lambda run: run.stage != "draining")
    paused = await operator.check_books(run_id)
    assert paused.status == "paused"
    assert paused.batches_completed == model.stats().calls == 2
    await operator.commands.resume(run_id)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.llm_requests) == (BATCHES, BATCHES)


@pytest.mark.usefixtures("worker")
async def test_a_cancel_ends_a_group(operator: Operator, model: ModelServer) -> None:
    model.hold(after=1)
    run_id = await _run(operator, model)
    await _calls_made(model, 2)
    await until(lambda: operator.run(run_id), lambda run: run.batches_completed == 1)
    await operator.commands.cancel(run_id)
    await operator.until(run_id, "cancelled")
    assert model.stats().calls == 2
    assert (await operator.check_books(run_id)).batches_completed == 1


@pytest.mark.usefixtures("worker")
async def test_a_lower_concurrency_does_not_wait_for_the_groups_of_before(
    operator: Operator, model: ModelServer
) -> None:
    model.hold(after=4, latency=0.1)
    run_id = await _run(operator, model, batches=60, concurrency=3)
    await _calls_made(model, 7)
    await operator.commands.set_limits(run_id, LimitsPatch(concurrency=1))
    model.release()
    # Three groups of up to eight batches are under way, and each asks until its worker has looked at the run again.
    await _calls_made(model, 3 * 8 + 1)
    model.script(latency=0.1)  # and with it the count of the most at once
    await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == 60
    assert model.stats().max_in_flight == 1


async def test_what_a_killed_worker_was_asking_alone_is_asked_again(
    operator: Operator, model: ModelServer, grouping: Settings
) -> None:
    model.script(latency=0.3)
    async with worker_process(grouping) as first:
        run_id = await _run(operator, model)
        await _calls_made(model, 4)
        await first.kill()
    async with worker_process(grouping):
        await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert run.batches_completed == BATCHES
    assert model.stats().calls <= BATCHES + 1


async def test_a_worker_that_is_told_to_stop_begins_no_more_of_its_group(
    operator: Operator, model: ModelServer, grouping: Settings
) -> None:
    model.script(latency=0.3)
    async with working(grouping):
        run_id = await _run(operator, model)
        await _calls_made(model, 2)
    assert (await operator.run(run_id)).batches_completed == model.stats().calls < 5
    model.script()
    async with working(grouping):
        await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert (run.batches_completed, run.llm_requests) == (BATCHES, BATCHES)
