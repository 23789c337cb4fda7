"""What each command does to a run's row, its batches and its events."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from db import lifecycle, runs
from db.engine import Database
from db.lifecycle import RunError
from errors import Conflict, NotFound
from models.base import new_id, now
from models.run import AnalysisRun
from models.values import RunStatus
from tests.support.builders import (
    START,
    add_batches,
    add_proposals,
    add_run,
    batches_of,
    events_of,
    proposals_of,
    run_of,
)
from tests.support.waiting import until

DOWN = RunError("model_auth", "401", "Set a valid key.")


async def act(
    database: Database, run_id: UUID, command: Callable[..., Awaitable[None]], *arguments: Any, **options: Any
) -> AnalysisRun:
    async with runs.locked(database, run_id) as held:
        await command(held, *arguments, **options)
    return await run_of(database, run_id)


async def names(database: Database, run_id: UUID) -> list[str]:
    return [event.event for event in await events_of(database, run_id)]


async def last_event(database: Database, run_id: UUID) -> dict[str, Any]:
    return (await events_of(database, run_id))[-1].data


async def test_a_whole_life_tells_its_events_in_order(database: Database) -> None:
    run_id = (await add_run(database)).id
    await act(database, run_id, lifecycle.queue, "analysis-run-1")
    await act(database, run_id, lifecycle.begin, {"prompt_version": "1"})
    await act(database, run_id, lifecycle.pause, "requested", draining=True)
    await act(database, run_id, lifecycle.drained)
    await act(database, run_id, lifecycle.resume)
    await act(database, run_id, lifecycle.complete)
    run = await act(database, run_id, lifecycle.close)
    assert run.status == "closed"
    assert await names(database, run_id) == [
        "run_created",
        "run_started",
        "run_paused",
        "run_resumed",
        "run_completed",
        "run_closed",
    ]


async def test_a_queued_run_is_still_pending_and_can_not_be_queued_again(database: Database) -> None:
    run = await add_run(database)
    queued = await act(database, run.id, lifecycle.queue, "analysis-run-1")
    assert (queued.status, queued.stage, queued.workflow_id) == ("pending", "queued", "analysis-run-1")
    assert queued.start_requested_at is not None
    with pytest.raises(Conflict, match="already queued") as refused:
        await act(database, run.id, lifecycle.queue, "analysis-run-2")
    assert refused.value.code == "run_not_pending"
    assert (await run_of(database, run.id)).workflow_id == "analysis-run-1"


@pytest.mark.parametrize("status", ["running", "paused", "completed", "reviewed", "closed", "failed", "cancelled"])
async def test_only_a_pending_run_is_queued(database: Database, status: RunStatus) -> None:
    run = await add_run(database, status=status)
    with pytest.raises(Conflict, match=status) as refused:
        await act(database, run.id, lifecycle.queue, "analysis-run-1")
    assert refused.value.code == "run_not_pending"


async def test_a_begun_run_keeps_what_it_means(database: Database) -> None:
    made = await add_run(database)
    run = await act(database, made.id, lifecycle.begin, {"prompt_version": "7"})
    assert (run.status, run.stage, run.config_snapshot) == ("running", "fetching", {"prompt_version": "7"})
    assert run.started_at is not None
    assert run.started_at == run.working_since
    assert await last_event(database, run.id) == {
        "id": str(run.id),
        "status": "running",
        "started_at": run.started_at.isoformat(),
    }


async def test_a_paused_run_says_why_and_whether_calls_are_under_way(database: Database) -> None:
    made = await add_run(database, status="running", pending_command="pause")
    run = await act(database, made.id, lifecycle.pause, "provider_unavailable", DOWN, draining=True)
    assert (run.status, run.paused_reason, run.stage) == ("paused", "provider_unavailable", "draining")
    assert run.pending_command is None
    assert run.error_log is not None
    assert run.error_log["hint"] == "Set a valid key."
    event = await last_event(database, run.id)
    assert (event["run_id"], event["reason"], event["error"]) == (str(run.id), "provider_unavailable", run.error_log)
    assert (await act(database, run.id, lifecycle.drained)).stage == "held"


async def test_a_pause_with_nothing_under_way_holds_at_once(database: Database) -> None:
    made = await add_run(database, status="running")
    run = await act(database, made.id, lifecycle.pause, "requested", draining=False)
    assert (run.stage, run.error_log) == ("held", None)


async def test_a_run_that_is_resumed_before_it_drained_stays_at_work(database: Database) -> None:
    made = await add_run(database, status="running", stage="extracting")
    assert (await act(database, made.id, lifecycle.drained)).stage == "extracting"


@pytest.mark.parametrize(
    ("done", "stage"),
    [
        ((), "fetching"),
        (("fetched_at",), "prefiltering"),
        (("fetched_at", "prefiltered_at"), "batching"),
        (("fetched_at", "prefiltered_at", "batched_at"), "extracting"),
    ],
)
async def test_a_resumed_run_goes_on_with_the_step_that_is_not_done(
    database: Database, done: tuple[str, ...], stage: str
) -> None:
    steps: dict[str, Any] = dict.fromkeys(done, START)
    made = await add_run(
        database,
        status="paused",
        paused_reason="budget",
        stage="held",
        error_log=DOWN.log(),
        working_since=START,
        **steps,
    )
    run = await act(database, made.id, lifecycle.resume)
    assert (run.status, run.paused_reason, run.error_log) == ("running", None, None)
    assert run.stage == stage
    assert run.working_since is not None
    assert run.working_since > START


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
async def test_a_cancelled_run_keeps_what_was_saved_and_nothing_is_under_way(
    database: Database, status: RunStatus
) -> None:
    made = await add_run(database, status=status)
    await add_batches(database, made.id, "completed", "failed", "running", "waiting")
    await add_proposals(database, made.id, 2)
    run = await act(database, made.id, lifecycle.cancel)
    assert (run.status, run.stage, run.paused_reason) == ("cancelled", "finished", None)
    assert run.completed_at is not None
    assert (run.batches_completed, run.batches_failed, run.proposals_total) == (1, 1, 2)
    assert [batch.status for batch in await batches_of(database, run.id)] == [
        "completed",
        "failed",
        "waiting",
        "waiting",
    ]
    assert len(await proposals_of(database, run.id)) == 2
    assert (await last_event(database, run.id))["status"] == "cancelled"


async def test_a_completed_run_tells_its_counts(database: Database) -> None:
    made = await add_run(database, status="running", error_log=DOWN.log())
    await add_batches(database, made.id, "completed", "failed")
    await add_proposals(database, made.id, 3)
    run = await act(database, made.id, lifecycle.complete)
    assert (run.status, run.stage, run.error_log) == ("completed", "review", None)
    assert run.completed_at is not None
    assert await last_event(database, run.id) == {
        "id": str(run.id),
        "status": "completed",
        "completed_at": run.completed_at.isoformat(),
        "proposals_total": 3,
        "proposals_pending": 3,
        "batches_created": 2,
        "batches_failed": 1,
    }


async def test_a_failed_run_says_what_to_do(database: Database) -> None:
    made = await add_run(database, status="paused", paused_reason="provider_unavailable")
    await add_batches(database, made.id, "running", "waiting")
    run = await act(database, made.id, lifecycle.fail, DOWN)
    assert (run.status, run.stage, run.paused_reason) == ("failed", "finished", None)
    assert run.error_log is not None
    assert {key: run.error_log[key] for key in ("code", "message", "hint")} == {
        "code": "model_auth",
        "message": "401",
        "hint": "Set a valid key.",
    }
    assert [batch.status for batch in await batches_of(database, run.id)] == ["waiting", "waiting"]
    assert (await last_event(database, run.id)) == {"id": str(run.id), "status": "failed", "error": run.error_log}


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_a_retry_puts_the_failed_batches_back_and_no_others(database: Database, status: RunStatus) -> None:
    steps: dict[str, Any] = dict.fromkeys(("fetched_at", "prefiltered_at", "batched_at", "completed_at"), START)
    made = await add_run(database, status=status, error_log=DOWN.log(), **steps)
    await add_batches(database, made.id, "completed", "failed", "split", "failed", error="500", settled_at=now())
    await database_says(database, "UPDATE analysis_batches SET attempts = 5")
    run = await act(database, made.id, lifecycle.retry)
    assert (run.status, run.stage, run.completed_at, run.error_log) == ("running", "extracting", None, None)
    assert (run.batches_created, run.batches_completed, run.batches_failed) == (4, 1, 0)
    batches = await batches_of(database, run.id)
    assert [batch.status for batch in batches] == ["completed", "waiting", "split", "waiting"]
    assert [(batch.error, batch.settled_at is None) for batch in batches] == [
        ("500", False),
        (None, True),
        ("500", False),
        (None, True),
    ]
    assert (await names(database, run.id))[-1] == "run_resumed"


async def database_says(database: Database, statement: str, **values: object) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement), values)


async def test_a_retry_needs_a_failed_batch_or_a_failed_run(database: Database) -> None:
    whole = await add_run(database, status="completed")
    await add_batches(database, whole.id, "completed")
    with pytest.raises(Conflict) as refused:
        await act(database, whole.id, lifecycle.retry)
    assert refused.value.code == "invalid_transition"
    early = await add_run(database, status="failed", day=1)
    run = await act(database, early.id, lifecycle.retry)
    assert (run.status, run.stage, run.started_at) == ("running", "fetching", run.working_since)


async def test_a_retry_is_refused_once_another_run_has_the_window(database: Database) -> None:
    failed = await add_run(database, status="failed")
    await add_batches(database, failed.id, "failed")
    other = await add_run(database, days=0.5)
    with pytest.raises(Conflict) as refused:
        await act(database, failed.id, lifecycle.retry)
    assert refused.value.code == "run_overlap"
    assert refused.value.extra == {"conflicting_run_id": str(other.id)}
    run = await run_of(database, failed.id)
    assert (run.status, run.batches_failed) == ("failed", 1)
    assert [batch.status for batch in await batches_of(database, run.id)] == ["failed"]


async def test_a_retry_and_a_create_of_the_same_moment_do_not_both_get_the_window(database: Database, dsn: str) -> None:
    failed = await add_run(database, status="failed")
    watcher = await asyncpg.connect(dsn)
    async with database.transaction() as session:
        # The create is not committed yet, so the retry doesn't see it and waits for its end.
        session.add(
            AnalysisRun(
                time_window_start=failed.time_window_start,
                time_window_end=failed.time_window_end,
                agent_assignment_id=failed.agent_assignment_id,
            )
        )
        await session.flush()
        retry = asyncio.create_task(act(database, failed.id, lifecycle.retry))
        await until(lambda: waiting_for_locks(watcher))
    with pytest.raises(Conflict) as refused:
        await retry
    assert refused.value.code == "run_overlap"
    await watcher.close()


async def waiting_for_locks(watcher: "asyncpg.Connection[asyncpg.Record]") -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(await watcher.fetchval(query))


async def decided(database: Database, run_id: UUID) -> None:
    """Two approved and a rejected proposal, counted."""
    await add_proposals(database, run_id, 3)
    await database_says(
        database,
        "UPDATE task_proposals SET status = 'approved', reviewed_at = now() WHERE run_id = :run",
        run=run_id,
    )
    await database_says(
        database,
        "UPDATE task_proposals SET status = 'rejected', reject_reason = 'other'"
        " WHERE id = (SELECT max(id::text)::uuid FROM task_proposals WHERE run_id = :run)",
        run=run_id,
    )
    await database_says(
        database,
        "UPDATE analysis_runs SET proposals_pending = 0, proposals_approved = 2, proposals_rejected = 1"
        " WHERE id = :run",
        run=run_id,
    )


@pytest.mark.parametrize("status", ["completed", "reviewed", "failed", "cancelled"])
async def test_a_closed_run_has_the_figures_of_its_rows(database: Database, status: RunStatus) -> None:
    made = await add_run(
        database,
        status=status,
        started_at=START,
        completed_at=START,
        cost_estimate=Decimal("0.5"),
        input_tokens=200,
        output_tokens=100,
    )
    await decided(database, made.id)
    run = await act(database, made.id, lifecycle.close)
    assert (run.status, run.stage) == ("closed", "finished")
    assert run.closed_at is not None
    figures = run.accuracy_metrics
    assert figures is not None
    assert (figures["proposals_total"], figures["proposals_approved"], figures["proposals_rejected"]) == (3, 2, 1)
    assert (figures["cost_per_approved_task"], figures["tokens_per_proposal"]) == ("0.25", 100.0)
    assert await last_event(database, run.id) == {
        "id": str(run.id),
        "status": "closed",
        "accuracy_metrics": figures,
    }


async def test_counters_that_went_wrong_do_not_reach_the_figures(database: Database) -> None:
    made = await add_run(database, status="completed")
    await decided(database, made.id)
    await database_says(database, "UPDATE analysis_runs SET proposals_total = 99, proposals_pending = 96")
    run = await act(database, made.id, lifecycle.close)
    assert run.accuracy_metrics is not None
    assert (run.accuracy_metrics["proposals_total"], run.accuracy_metrics["approval_rate"]) == (3, 0.666667)


async def test_a_run_with_undecided_proposals_is_not_closed_whatever_its_counters_say(database: Database) -> None:
    made = await add_run(database, status="completed")
    await add_proposals(database, made.id, 2)
    await database_says(database, "UPDATE analysis_runs SET proposals_pending = 0, proposals_approved = 2")
    with pytest.raises(Conflict) as refused:
        await act(database, made.id, lifecycle.close)
    assert (refused.value.code, refused.value.extra) == ("proposals_pending", {"proposals_pending": 2})
    assert (await run_of(database, made.id)).status == "completed"
    assert await names(database, made.id) == ["run_created"]


async def test_new_limits_leave_the_other_options_alone(database: Database) -> None:
    snapshot = {"provider": {"id": str(new_id()), "type": "offline"}, "agent": {"model_name": "rules-1"}}
    made = await add_run(database, status="running", pending_command="set_limits", config_snapshot=snapshot)
    run = await act(database, made.id, lifecycle.set_limits, Decimal("2.50"), None)
    assert run.options == made.options | {"budget_usd": "2.50"}
    assert (run.pending_command, run.version) == (None, made.version + 1)
    run = await act(database, made.id, lifecycle.set_limits, None, 3)
    assert run.options == made.options | {"budget_usd": "2.50", "concurrency": 3}


async def test_a_refused_signal_leaves_word_and_changes_nothing_else(database: Database) -> None:
    made = await add_run(database, status="completed", pending_command="pause")
    refusal = Conflict("invalid_transition", "A run that is completed can't take 'pause'.")
    run = await act(database, made.id, lifecycle.refuse, "pause", refusal)
    assert (run.status, run.pending_command) == ("completed", None)
    assert await names(database, run.id) == ["run_created", "command_refused"]
    assert await last_event(database, run.id) == {
        "run_id": str(run.id),
        "command": "pause",
        "code": "invalid_transition",
    }


async def test_a_command_on_its_way_shows_on_the_row(database: Database) -> None:
    run = await add_run(database, status="running")
    await lifecycle.mark_pending(database, run.id, "pause")
    assert (await run_of(database, run.id)).pending_command == "pause"
    await lifecycle.mark_pending(database, run.id, None)
    assert (await run_of(database, run.id)).pending_command is None


async def test_the_last_failed_batch_names_its_error(database: Database) -> None:
    run = await add_run(database, status="running")
    await add_batches(database, run.id, "failed", "failed", "completed")
    statement = (
        "UPDATE analysis_batches SET error = 'error ' || batch_no, settled_at = now() - batch_no * interval '1 s'"
    )
    await database_says(database, statement)
    async with runs.locked(database, run.id) as held:
        assert await lifecycle.last_batch_error(held) == "error 1"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (lifecycle.queue, ("analysis-run-1",)),
        (lifecycle.begin, ({},)),
        (lifecycle.resume, ()),
        (lifecycle.cancel, ()),
        (lifecycle.complete, ()),
        (lifecycle.fail, (DOWN,)),
        (lifecycle.retry, ()),
        (lifecycle.close, ()),
        (lifecycle.set_limits, (None, 3)),
    ],
)
async def test_a_command_to_a_run_that_is_not_there_is_404(
    database: Database, command: Callable[..., Awaitable[None]], arguments: tuple[object, ...]
) -> None:
    with pytest.raises(NotFound) as refused:
        await act(database, new_id(), command, *arguments)
    assert refused.value.code == "run_not_found"


async def test_of_parallel_commands_each_sees_what_the_others_did(database: Database) -> None:
    run_id = (await add_run(database, status="running")).id

    async def command(number: int) -> bool:
        try:
            if number % 2:
                await act(database, run_id, lifecycle.resume)
            else:
                await act(database, run_id, lifecycle.pause, "requested", draining=False)
        except Conflict:
            return False
        return True

    done = await asyncio.gather(*(command(number) for number in range(20)))
    told = (await names(database, run_id))[1:]
    assert len(told) == sum(done)
    assert told == ["run_paused" if at % 2 == 0 else "run_resumed" for at in range(len(told))]
