"""The rows that record imports."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from models.base import now
from models.ingestion import MessageIngestionJob
from models.values import JobStatus, SourceType


class ImportCounts(Protocol):
    """What a job's row says about an import's progress; `skipped` maps reasons to numbers."""

    sources: list[str]
    read: int
    inserted: int
    updated: int
    unchanged: int
    skipped: dict[str, int]


async def start_job(session: AsyncSession, source_id: UUID, source_type: SourceType) -> UUID:
    """Records that an import into this source is running."""
    job = MessageIngestionJob(source_id=source_id, source_type=source_type, status="running", started_at=now())
    session.add(job)
    await session.flush()
    return job.id


async def record_progress(session: AsyncSession, job_id: UUID, counts: ImportCounts) -> None:
    """Brings the job's counters up to date, in the transaction that stores what they count."""
    job = await _job(session, job_id)
    job.source_identifiers = list(counts.sources)
    job.messages_read = counts.read
    job.messages_inserted = counts.inserted
    job.messages_updated = counts.updated
    job.messages_unchanged = counts.unchanged
    job.messages_skipped = sum(counts.skipped.values())
    job.skipped = dict(counts.skipped)


async def end_job(
    session: AsyncSession, job_id: UUID, status: JobStatus, *, error: dict[str, str] | None = None
) -> None:
    """Records how the import ended. `error` is `{code, message}`; the time is added as `at`."""
    job = await _job(session, job_id)
    ended: datetime = now()
    job.status = status
    job.completed_at = ended
    job.error_log = error and {**error, "at": ended.isoformat()}


async def _job(session: AsyncSession, job_id: UUID) -> MessageIngestionJob:
    return await session.get_one(MessageIngestionJob, job_id)
