"""Runs as they are shown: rows, since to make them objects of the session takes several times as long as the query."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from db.runs import not_found
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
) -> list[RunView]:
    """Runs, the newest first, after the (created_at, id) of the page before."""
    order = (col(AnalysisRun.created_at), col(AnalysisRun.id))
    query = select(*(getattr(AnalysisRun, name) for name in _shown)).where(*wanted)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    query = query.order_by(*(column.desc() for column in order)).limit(limit)
    return [RunView.model_validate(dict(zip(_shown, row, strict=True))) for row in await session.execute(query)]
