"""Runs as they are shown: rows, since to make them objects of the session takes several times as long as the query."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from db.runs import count, not_found
from db.statements import Connection, Statement
from models.run import AnalysisRun
from models.run_views import RunView

_shown = [name for name in RunView.model_fields if name in AnalysisRun.model_fields]
_view = Statement(f"SELECT {', '.join(_shown)} FROM analysis_runs WHERE id = :id")  # noqa: S608 - names of columns


async def get(connection: Connection, run_id: UUID) -> RunView:
    """The run as it is now; 404 `run_not_found`."""
    row = await _view.row(connection, {"id": run_id})
    if row is None:
        raise not_found(run_id)
    return RunView.model_validate(dict(zip(_shown, row, strict=True)))


async def listed(
    session: AsyncSession,
    wanted: Sequence[ColumnElement[bool]],
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[list[RunView], int]:
    """Runs, the newest first, after the (created_at, id) of the page before; and how many there are on all pages, by
    the same statement."""
    order = (col(AnalysisRun.created_at), col(AnalysisRun.id))
    total = select(func.count()).select_from(AnalysisRun).where(*wanted)
    query = select(total.scalar_subquery(), *(getattr(AnalysisRun, name) for name in _shown)).where(*wanted)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    query = query.order_by(*(column.desc() for column in order)).limit(limit)
    rows = (await session.execute(query)).all()
    found = [RunView.model_validate(dict(zip(_shown, row[1:], strict=True))) for row in rows]
    return found, rows[0][0] if rows else await count(session, wanted)
