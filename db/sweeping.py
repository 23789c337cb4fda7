"""What a sweep looks at, and what it found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from models.base import now
from models.run import AnalysisRun
from models.service import SweepFinding
from models.values import FindingKind

WITH_WORKFLOW = ("running", "paused", "completed", "reviewed")
OVER = ("closed", "failed", "cancelled")


@dataclass(frozen=True)
class Finding:
    """A disagreement. `subject` is the workflow's id or the run's; `repaired` says that this sweep mended it."""

    kind: FindingKind
    subject: str
    run_id: UUID | None
    detail: str
    repaired: bool = False


async def attended(session: AsyncSession, quiet_since: datetime) -> list[AnalysisRun]:
    """The runs that should have an open workflow and told nothing since then."""
    queued = (col(AnalysisRun.status) == "pending") & (col(AnalysisRun.stage) == "queued")
    query = select(AnalysisRun).where(
        or_(col(AnalysisRun.status).in_(WITH_WORKFLOW), queued), col(AnalysisRun.last_event_at) < quiet_since
    )
    return list((await session.exec(query)).all())


_not_closed = text(
    """
    SELECT id FROM analysis_runs
    WHERE status IN ('completed', 'reviewed') AND proposals_pending = 0 AND batches_failed = 0
      AND last_event_at + make_interval(secs => (options ->> 'auto_close_after_seconds')::int) < :quiet_since
    """
)


async def not_closed(session: AsyncSession, quiet_since: datetime) -> list[UUID]:
    """Runs that should have closed by themselves before then."""
    return list((await session.scalars(_not_closed, {"quiet_since": quiet_since})).all())


async def present(session: AsyncSession, run_ids: Sequence[UUID]) -> dict[UUID, AnalysisRun]:
    """Those of the runs that exist."""
    rows = (await session.exec(select(AnalysisRun).where(col(AnalysisRun.id).in_(run_ids)))).all()
    return {row.id: row for row in rows}


_miscounted = text(
    """
    SELECT run.id FROM analysis_runs AS run
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE status <> 'split') AS created,
               count(*) FILTER (WHERE status = 'completed') AS completed,
               count(*) FILTER (WHERE status = 'failed') AS failed
        FROM analysis_batches WHERE run_id = run.id
    ) AS batch
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
               count(*) FILTER (WHERE status = 'approved') AS approved,
               count(*) FILTER (WHERE status = 'rejected') AS rejected,
               count(*) FILTER (WHERE status = 'merged') AS merged,
               count(*) FILTER (WHERE status = 'suppressed') AS suppressed
        FROM task_proposals WHERE run_id = run.id
    ) AS proposal
    WHERE run.last_event_at > :since AND run.status <> 'closed' AND run.batched_at IS NOT NULL
      AND (run.batches_created, run.batches_completed, run.batches_failed, run.proposals_pending,
           run.proposals_approved, run.proposals_rejected, run.proposals_merged, run.proposals_suppressed)
          <> (batch.created, batch.completed, batch.failed, proposal.pending,
              proposal.approved, proposal.rejected, proposal.merged, proposal.suppressed)
    """
)


async def miscounted(session: AsyncSession, since: datetime) -> list[UUID]:
    """Open runs that told something since then and whose counters don't say what their rows say."""
    return list((await session.scalars(_miscounted, {"since": since})).all())


async def forget_leases(session: AsyncSession) -> None:
    """Take away places whose holders died long ago."""
    await session.execute(text("DELETE FROM provider_leases WHERE expires_at < now() - interval '1 hour'"))


async def seen_before(session: AsyncSession, kind: FindingKind, subject: str) -> bool:
    """Whether an earlier sweep found the same, and it was not mended since."""
    query = select(SweepFinding.kind).where(
        col(SweepFinding.kind) == kind, col(SweepFinding.subject) == subject, col(SweepFinding.repaired_at).is_(None)
    )
    return (await session.exec(query)).first() is not None


async def record(session: AsyncSession, findings: Sequence[Finding], at: datetime) -> None:
    """Store what a sweep found, once each; what it didn't find again is mended."""
    for finding in findings:
        values = {
            "kind": finding.kind,
            "subject": finding.subject,
            "run_id": finding.run_id,
            "detail": finding.detail,
            "seen_at": at,
            "repaired_at": at if finding.repaired else None,
        }
        statement = insert(SweepFinding).values(found_at=at, **values)
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["kind", "subject"],
                set_={"detail": finding.detail, "seen_at": at, "repaired_at": values["repaired_at"]},
            )
        )
    gone = update(SweepFinding).where(col(SweepFinding.repaired_at).is_(None), col(SweepFinding.seen_at) < at)
    await session.exec(gone.values(repaired_at=at))
    await session.execute(
        text("DELETE FROM sweep_findings WHERE repaired_at < :before"), {"before": at - timedelta(days=30)}
    )


async def unrepaired(session: AsyncSession) -> list[SweepFinding]:
    query = select(SweepFinding).where(col(SweepFinding.repaired_at).is_(None)).order_by(col(SweepFinding.found_at))
    return list((await session.exec(query)).all())


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many findings of each kind are not mended."""
    query = (
        select(SweepFinding.kind, func.count())
        .where(col(SweepFinding.repaired_at).is_(None))
        .group_by(col(SweepFinding.kind))
    )
    return dict((await session.exec(query)).all())


async def untouched(session: AsyncSession, run: AnalysisRun) -> bool:
    """Whether the run's row, locked from now on, is still as it was read."""
    read = select(AnalysisRun.status, AnalysisRun.last_seq).where(col(AnalysisRun.id) == run.id)
    query = read.with_for_update(key_share=True)
    return (await session.exec(query)).one_or_none() == (run.status, run.last_seq)


def quiet_since(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)
