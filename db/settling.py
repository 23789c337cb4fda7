"""Batches that are completed together: one lock of the run's row, and one statement that writes what they found."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import proposals
from db.batches import tell_progress
from db.runs import LockedRun, not_found
from db.statements import Statement, insertion
from db.vectors import Vector, written
from models.audit import AuditEntry
from models.base import now
from models.proposal import TaskProposal
from models.run import AnalysisBatch, AnalysisRun


@asynccontextmanager
async def holding(
    session: AsyncSession, run_id: UUID, numbers: Sequence[int]
) -> AsyncIterator[tuple[LockedRun, Mapping[int, str | None]]]:
    """The run with those of its batches that are still to be settled, each with the model that answered, all of them
    locked, the run first. None is when they were settled or the run is over. Else as `runs.holding`."""
    query = (
        select(AnalysisRun, AnalysisBatch.batch_no, AnalysisBatch.status, AnalysisBatch.model)
        .join(AnalysisBatch, col(AnalysisBatch.run_id) == col(AnalysisRun.id))
        .where(col(AnalysisRun.id) == run_id, col(AnalysisBatch.batch_no).in_(list(numbers)))
        .with_for_update(of=[AnalysisRun, AnalysisBatch], key_share=True)
        .execution_options(populate_existing=True)
    )
    rows = (await session.exec(query)).all()
    if not rows:
        raise not_found(run_id)
    held = LockedRun(session, rows[0][0])
    open_for_it = held.run.status in ("running", "paused")
    yield held, {row[1]: row[3] for row in rows if open_for_it and row[2] in ("waiting", "running")}
    await held.tell()


@dataclass(frozen=True)
class Found:
    """What was found in a batch, with the vectors of the titles; None is one that wasn't measured."""

    batch_no: int
    proposals: Sequence[TaskProposal]
    vectors: Sequence[Vector | None]

    @property
    def pending(self) -> int:
        """How many are to be reviewed."""
        return sum(proposal.status == "pending" for proposal in self.proposals)

    def measured(self) -> list[dict[str, str]]:
        """The vectors that a later proposal may be like."""
        return [
            {"proposal_id": str(proposal.id), "title": proposal.proposed_title, "vector": written(vector)}
            for proposal, vector in zip(self.proposals, self.vectors, strict=True)
            if vector is not None and proposal.status != "suppressed"
        ]


_complete = Statement(
    f"""
    WITH completed AS (
        UPDATE analysis_batches AS batch
        SET status = 'completed', error = NULL, proposals = given.proposals, settled_at = :at
        FROM jsonb_to_recordset(CAST(:batches AS jsonb)) AS given (batch_no integer, proposals integer)
        WHERE batch.run_id = :run AND batch.batch_no = given.batch_no
    ), added AS (
        {insertion(TaskProposal, "proposals")}
    ), audited AS (
        {insertion(AuditEntry, "entries")}
    )
    INSERT INTO proposal_vectors (proposal_id, title, vector)
    SELECT * FROM jsonb_to_recordset(CAST(:vectors AS jsonb)) AS given (proposal_id uuid, title text, vector halfvec)
    """  # noqa: S608 - the parts put in are constants of the code
)


async def complete(held: LockedRun, found: Sequence[Found]) -> None:
    """Store what was found in these batches, which are locked, count them as completed, and tell of each."""
    every = [proposal for one in found for proposal in one.proposals]
    values = {
        "run": held.run.id,
        "at": now(),
        "batches": [{"batch_no": one.batch_no, "proposals": len(one.proposals)} for one in found],
        "proposals": [proposal.model_dump(mode="json") for proposal in every],
        "entries": [proposals.made(proposal).model_dump(mode="json") for proposal in every],
        "vectors": [vector for one in found for vector in one.measured()],
    }
    as_json = ("batches", "proposals", "entries", "vectors")
    await _complete.rows(held.session, values | {name: json.dumps(values[name]) for name in as_json})
    for one in found:
        await _count(held, one)


async def _count(held: LockedRun, found: Found) -> None:
    run, pending = held.run, found.pending
    run.batches_completed += 1
    run.proposals_total += pending
    run.proposals_pending += pending
    run.proposals_suppressed += len(found.proposals) - pending
    await tell_progress(held)
    if pending:
        await held.record(
            "proposals_created",
            {
                "run_id": str(run.id),
                "batch_no": found.batch_no,
                "proposals_count": pending,
                "proposals_total": run.proposals_total,
                "proposals_pending": run.proposals_pending,
            },
        )
