"""Tasks and proposals for exports: all of them as one moment showed them, some hundreds at a time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.engine import Database
from models.project import ProjectConfig
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.task import Task

ROWS_AT_ONCE = 500
Row = TypeVar("Row")


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncSession]:
    """A session that changes nothing, and to which all queries tell of the same moment."""
    async with database.transaction() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await session.execute(text("SET TRANSACTION READ ONLY"))
        yield session


async def tasks(
    session: AsyncSession, wanted: Sequence[ColumnElement[bool]]
) -> AsyncIterator[Sequence[tuple[Task, str | None]]]:
    """Tasks with the names of their projects, project by project (those of none last), the newest first."""
    query = (
        select(Task, ProjectConfig.name)
        .outerjoin(ProjectConfig, col(ProjectConfig.id) == col(Task.project_config_id))
        .where(*wanted)
        .order_by(col(ProjectConfig.name).nulls_last(), col(Task.created_at).desc(), col(Task.id).desc())
    )
    async for part in _parts(session, query):
        yield part


async def proposals(
    session: AsyncSession, wanted: Sequence[ColumnElement[bool]]
) -> AsyncIterator[Sequence[tuple[TaskProposal, AnalysisRun]]]:
    """Proposals with their runs, run by run, the newest run and the surest proposal first."""
    query = (
        select(TaskProposal, AnalysisRun)
        .join(AnalysisRun, col(AnalysisRun.id) == col(TaskProposal.run_id))
        .where(*wanted)
        .order_by(col(TaskProposal.run_id).desc(), col(TaskProposal.confidence).desc(), col(TaskProposal.id).desc())
    )
    async for part in _parts(session, query):
        yield part


async def origins(session: AsyncSession, task_ids: Sequence[UUID]) -> dict[UUID, TaskProposal]:
    """The approved proposal of each task."""
    query = select(TaskProposal).where(col(TaskProposal.task_id).in_(task_ids), col(TaskProposal.status) == "approved")
    return {row.task_id: row for row in (await session.exec(query)).all() if row.task_id is not None}


async def _parts(session: AsyncSession, query: Executable) -> AsyncIterator[Sequence[Any]]:
    rows = await session.stream(query, execution_options={"yield_per": ROWS_AT_ONCE})
    async for part in rows.partitions(ROWS_AT_ONCE):
        yield part
