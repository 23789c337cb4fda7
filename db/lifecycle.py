"""What the commands do to a run: each function is one transition with its counters and events in one transaction.

The activities call these when a workflow is open; the API calls them where none is.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import func, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from analysis import closing
from db import configuration, proposals, runs, transitions
from db.batches import percent
from db.engine import Database
from errors import Conflict, Refusal
from models.base import now
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.values import PausedReason, RunStage


@dataclass(frozen=True)
class RunError:
    """Why a run paused or failed: a stable code, what happened, and what an operator can do."""

    code: str
    message: str
    hint: str

    def log(self) -> dict[str, str]:
        """The run's `error_log`."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "at": now().isoformat()}


async def queue(held: runs.LockedRun, workflow_id: str) -> None:
    """Mark a pending run as handed to Temporal; 409 `run_not_pending` where it was before or isn't pending."""
    run = held.run
    if run.status != "pending" or run.stage == "queued":
        state = "already queued" if run.status == "pending" else run.status
        raise Conflict("run_not_pending", f"Only a pending run can be started; this one is {state}.")
    run.stage = "queued"
    run.start_requested_at = now()
    run.workflow_id = workflow_id
    held.audit("start")


async def begin(held: runs.LockedRun, snapshot: dict[str, Any]) -> None:
    """pending → running, with the configuration as it is now: what the run means from here on."""
    held.move("begin")
    run = held.run
    run.stage = "fetching"
    run.started_at = run.working_since = now()
    run.config_snapshot = snapshot
    held.audit("begin")
    await held.record(
        "run_started", {"id": str(run.id), "status": run.status, "started_at": run.started_at.isoformat()}
    )


async def pause(held: runs.LockedRun, reason: PausedReason, error: RunError | None = None, *, draining: bool) -> None:
    """running → paused. `draining` says that calls are still under way."""
    held.move("pause")
    held.run.paused_reason = reason
    held.run.stage = "draining" if draining else "held"
    held.run.pending_command = None
    if error is not None:
        held.run.error_log = error.log()
    held.audit("pause", **_error_of(error))
    await held.record("run_paused", {"run_id": str(held.run.id), "reason": reason, "error": held.run.error_log})


async def drained(held: runs.LockedRun) -> None:
    """A paused run has nothing under way any more."""
    if held.run.status == "paused":
        held.run.stage = "held"


async def resume(held: runs.LockedRun) -> None:
    """paused → running."""
    held.move("resume")
    held.run.stage = _stage_of_work(held.run)
    held.run.working_since = now()
    held.run.error_log = None
    held.run.pending_command = None
    held.audit("resume")
    await held.record("run_resumed", {"run_id": str(held.run.id)})


def check_cancel(held: runs.LockedRun) -> None:
    """409 where the state forbids a cancel. The workflow cancels itself and then writes `cancelled`."""
    transitions.check("cancel", held.run)


async def cancel(held: runs.LockedRun) -> None:
    """pending, running or paused → cancelled; what was saved stays."""
    held.move("cancel")
    run = held.run
    run.stage = "finished"
    run.completed_at = now()
    run.pending_command = None
    await _unsettle_running(held)
    held.audit("cancel")
    await held.record("run_cancelled", {"id": str(run.id), "run_id": str(run.id), "status": run.status})


async def complete(held: runs.LockedRun) -> None:
    """running → completed: every batch is settled, and not all of them failed. Where all proposals were decided
    meanwhile, the run is reviewed at once, unless batches failed: they may be wanted again."""
    held.move("complete")
    run = held.run
    run.stage = "review"
    run.completed_at = now()
    run.error_log = None
    run.pending_command = None
    run.progress_percent = 100
    held.audit("complete")
    await held.record(
        "run_completed",
        {
            "id": str(run.id),
            "status": run.status,
            "completed_at": run.completed_at.isoformat(),
            "proposals_total": run.proposals_total,
            "proposals_pending": run.proposals_pending,
            "batches_created": run.batches_created,
            "batches_failed": run.batches_failed,
        },
    )
    if run.proposals_total and not run.proposals_pending and not run.batches_failed:
        await review(held)


async def review(held: runs.LockedRun) -> None:
    """completed → reviewed: the last proposal is decided."""
    held.move("review")
    run = held.run
    held.audit("review")
    await held.record(
        "run_reviewed",
        {
            "id": str(run.id),
            "run_id": str(run.id),
            "status": run.status,
            "proposals_total": run.proposals_total,
        },
    )


async def fail(held: runs.LockedRun, error: RunError) -> None:
    """running or paused → failed, for a cause that no retry can mend."""
    held.move("fail")
    run = held.run
    run.stage = "finished"
    run.completed_at = now()
    run.error_log = error.log()
    run.pending_command = None
    await _unsettle_running(held)
    held.audit("fail", **_error_of(error))
    await held.record("run_failed", {"id": str(run.id), "status": run.status, "error": run.error_log})


async def check_retry(held: runs.LockedRun) -> None:
    """409 `invalid_transition` where the state forbids a retry, and for a completed run without failed batches;
    `run_overlap` where another run took a failed one's window."""
    run = held.run
    transitions.check("retry", run)
    if run.status == "completed" and not run.batches_failed:
        raise Conflict("invalid_transition", "No batch of this run failed.", run_status=run.status)
    if run.status == "failed" and await runs.find_overlap(held.session, run):
        raise await runs.overlap(held.session, run)


async def retry(held: runs.LockedRun) -> None:
    """completed with failed batches, or failed → running, with the failed batches waiting again."""
    run = held.run
    await check_retry(held)
    held.move("retry")
    run.stage = _stage_of_work(run)
    run.completed_at = None
    run.error_log = None
    run.pending_command = None
    run.working_since = now()
    run.started_at = run.started_at or run.working_since
    run.batches_failed = 0
    run.progress_percent = percent(run.batches_completed, run.batches_created) if run.batched_at else 0
    await _take_window(held)
    await held.session.execute(
        text(
            "UPDATE analysis_batches SET status = 'waiting', error = NULL, settled_at = NULL"
            " WHERE run_id = :run AND status IN ('failed', 'running')"
        ),
        {"run": run.id},
    )
    held.audit("retry")
    await held.record("run_resumed", {"run_id": str(run.id)})


async def _take_window(held: runs.LockedRun) -> None:
    """Write the row as one that is open again; 409 where a run that `check_retry` couldn't see yet has the window."""
    try:
        await held.session.flush()
    except IntegrityError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, asyncpg.ExclusionViolationError):
            raise Conflict("run_overlap", "Another run that is open has a part of this window.") from error
        raise


async def check_close(held: runs.LockedRun) -> None:
    """409 where the state forbids a close, or `proposals_pending` while a decision is missing (rows, not counters)."""
    transitions.check("close", held.run)
    pending = (
        await held.session.exec(
            select(func.count())
            .select_from(TaskProposal)
            .where(col(TaskProposal.run_id) == held.run.id, col(TaskProposal.status) == "pending")
        )
    ).one()
    if pending:
        raise Conflict("proposals_pending", f"{pending} proposals are still to be decided.", proposals_pending=pending)


async def close(held: runs.LockedRun) -> None:
    """→ closed, with the figures of the run, computed from its rows."""
    run = held.run
    await check_close(held)
    of_run = select(TaskProposal).where(col(TaskProposal.run_id) == run.id, proposals.counted())
    rows = await held.session.exec(of_run)
    decided = [_reviewed(row) for row in rows.all()]
    held.move("close")
    run.closed_at = now()
    run.stage = "finished"
    run.pending_command = None
    facts = closing.RunFacts(
        run.started_at, run.completed_at, run.closed_at, run.cost_estimate, run.input_tokens + run.output_tokens
    )
    run.accuracy_metrics = closing.accuracy_metrics(facts, decided)
    held.audit("close")
    await held.record("run_closed", {"id": str(run.id), "status": run.status, "accuracy_metrics": run.accuracy_metrics})


async def check_limits(held: runs.LockedRun, budget: Decimal | None) -> None:
    """409 where the state forbids new limits, 422 `price_unknown` for a budget that could not be kept."""
    transitions.check("set_limits", held.run)
    if budget is not None:
        await configuration.check_price(held.session, held.run)


async def set_limits(held: runs.LockedRun, budget: Decimal | None, concurrency: int | None) -> None:
    """Change the budget (US dollars) or the concurrency of a run that is not over.

    A run that its budget holds goes on when the budget is raised.
    """
    await check_limits(held, budget)
    held.move("set_limits")
    run = held.run
    if budget is not None and run.cost_estimate is None:
        run.cost_estimate = Decimal(0)  # the price became known before the first call
    raised = budget is not None and budget > Decimal(run.options.get("budget_usd") or 0)
    changed = dict(run.options)
    if budget is not None:
        changed["budget_usd"] = str(budget)
    if concurrency is not None:
        changed["concurrency"] = concurrency
    run.options = changed
    run.pending_command = None
    limits = {"budget_usd": changed.get("budget_usd"), "concurrency": changed["concurrency"]}
    held.audit("set_limits")
    await held.record("limits_changed", {"run_id": str(run.id), **limits})
    if raised and run.paused_reason == "budget":
        await resume(held)


async def refuse(held: runs.LockedRun, command: str, refusal: Refusal) -> None:
    """Leave word that a signal asked for what the state forbids; nothing else changes."""
    held.run.pending_command = None
    await held.record("command_refused", {"run_id": str(held.run.id), "command": command, "code": refusal.code})


async def last_batch_error(held: runs.LockedRun) -> str | None:
    """Why the batch that failed last did."""
    found: str | None = await held.session.scalar(
        text(
            "SELECT error FROM analysis_batches WHERE run_id = :run AND status = 'failed'"
            " ORDER BY settled_at DESC LIMIT 1"
        ),
        {"run": held.run.id},
    )
    return found


async def mark_pending(database: Database, run_id: UUID, command: str | None) -> None:
    """Show on the row that a command is on its way (or, with None, that it isn't any more)."""
    async with runs.locked(database, run_id) as held:
        held.run.pending_command = command


def _error_of(error: RunError | None) -> dict[str, str]:
    """What the audit tells of an error: never what a provider said."""
    return {} if error is None else {"error": error.code}


async def _unsettle_running(held: runs.LockedRun) -> None:
    """A batch that was under way when the run ended waits: nobody settled it."""
    await held.session.execute(
        text("UPDATE analysis_batches SET status = 'waiting' WHERE run_id = :run AND status = 'running'"),
        {"run": held.run.id},
    )


def _stage_of_work(run: AnalysisRun) -> RunStage:
    """Where the analysis goes on: the first step that isn't done."""
    if run.fetched_at is None:
        return "fetching"
    if run.prefiltered_at is None:
        return "prefiltering"
    return "batching" if run.batched_at is None else "extracting"


def _reviewed(row: TaskProposal) -> closing.ReviewedProposal:
    return closing.ReviewedProposal(
        row.status,
        row.confidence,
        row.similarity_type,
        row.reject_reason,
        row.edited_at is not None,
        row.created_at,
        row.reviewed_at,
    )
