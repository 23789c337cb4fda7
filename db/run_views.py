"""Runs as they are shown: rows, since to make them objects of the session takes several times as long as the query."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

from db.runs import not_found
from db.statements import Connection, On, Statement
from models.run import AnalysisRun
from models.run_views import RunView
from models.values import RunStatus, TriggerType

_shown = [name for name in RunView.model_fields if name in AnalysisRun.model_fields]
_view = Statement(f"SELECT {', '.join(_shown)} FROM analysis_runs WHERE id = :id")  # noqa: S608 - names of columns

_CONDITIONS = {
    "status": "status = :status",
    "trigger_type": "trigger_type = :trigger_type",
    "project_config_id": "project_config_id = :project_config_id",
    "created_after": "created_at >= :created_after",
    "created_before": "created_at < :created_before",
}
"""What a list may be filtered by."""
_AFTER = "(created_at, id) < (:after_created_at, :after_id)"

Wanted = Mapping[str, object]
"""Values of conditions, by their names."""


async def get(connection: Connection, run_id: UUID) -> RunView:
    """The run as it is now; 404 `run_not_found`."""
    row = await _view.row(connection, {"id": run_id})
    if row is None:
        raise not_found(run_id)
    return RunView.model_validate(dict(zip(_shown, row, strict=True)))


def conditions(
    *,
    status: RunStatus | None = None,
    trigger_type: TriggerType | None = None,
    project_config_id: UUID | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> Wanted:
    """What a list is filtered by; None filters nothing."""
    values = (status, trigger_type, project_config_id, created_after, created_before)
    return {name: value for name, value in zip(_CONDITIONS, values, strict=True) if value is not None}


async def listed(
    on: On, wanted: Wanted, *, after: tuple[datetime, UUID] | None, limit: int
) -> tuple[list[RunView], int]:
    """Runs, the newest first, after the (created_at, id) of the page before; and how many there are on all pages, by
    the same statement."""
    values = dict(wanted) | {"limit": limit}
    if after is not None:
        values["after_created_at"], values["after_id"] = after
    rows = await _list(tuple(wanted), further=after is not None).rows(on, values)
    found = [RunView.model_validate(dict(zip(_shown, row[1:], strict=True))) for row in rows]
    return found, rows[0][0] if rows else await count(on, wanted)


async def count(on: On, wanted: Wanted) -> int:
    [[total]] = await _count(tuple(wanted)).rows(on, wanted)
    return int(total)


@cache
def _list(names: tuple[str, ...], *, further: bool) -> Statement:
    where = _where([_CONDITIONS[name] for name in names] + [_AFTER] * further)
    return Statement(
        f"""
        SELECT ({_counting(names)}), {", ".join(_shown)} FROM analysis_runs {where}
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """  # noqa: S608 - names of columns, and conditions of our own
    )


@cache
def _count(names: tuple[str, ...]) -> Statement:
    return Statement(_counting(names))


def _counting(names: Sequence[str]) -> str:
    return f"SELECT count(*) FROM analysis_runs {_where([_CONDITIONS[name] for name in names])}"  # noqa: S608 - as above


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
