"""Where the batches of an import go: into the database, or, in a dry run, only beside it."""

import asyncio
from uuid import UUID

from db.engine import Database
from db.imports import end_job, record_progress, start_job
from db.messages import compare, find_source, source_named, store
from errors import GleanerError
from ingest.load import BySource
from ingest.report import ImportReport
from models.actor import LOCAL
from models.values import SourceType


class DatabaseSink:
    """Stores each batch with the job's counters in one transaction. The job's row begins with the first batch."""

    def __init__(self, database: Database, source_type: SourceType, otherwise: str) -> None:
        self._database = database
        self._source_type = source_type
        self._otherwise = otherwise
        self._job_id: UUID | None = None

    async def take(self, batch: BySource, report: ImportReport) -> None:
        job_id = await self._job(min(batch, default=self._otherwise))
        async with self._database.transaction() as session:
            report.stored(await store(session, batch, source_type=self._source_type, actor=LOCAL))
            await record_progress(session, job_id, report)

    async def _job(self, source: str) -> UUID:
        if self._job_id is None:
            async with self._database.transaction() as session:
                source_id = await source_named(session, source, self._source_type, LOCAL)
                self._job_id = await start_job(session, source_id, self._source_type)
        return self._job_id

    async def end(self, error: BaseException | None) -> None:
        """Records how the import ended, where it had begun to write."""
        if self._job_id is None:
            return
        async with self._database.transaction() as session:
            if error is None:
                await end_job(session, self._job_id, "completed")
            elif isinstance(error, asyncio.CancelledError):
                await end_job(session, self._job_id, "cancelled")
            else:
                await end_job(session, self._job_id, "failed", error=_described(error))


class ComparingSink:
    """Changes nothing and counts what would be stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, batch: BySource, report: ImportReport) -> None:
        async with self._database.transaction() as session:
            for name, messages in batch.items():
                report.stored(await compare(session, await find_source(session, name), messages))

    async def end(self, error: BaseException | None) -> None:
        """There is nothing to record."""


def _described(error: BaseException) -> dict[str, str]:
    """The code and message of our own errors; of others only the type, because their text may quote messages."""
    if isinstance(error, GleanerError):
        return {"code": error.code, "message": error.detail}
    return {"code": "import_failed", "message": type(error).__name__}
