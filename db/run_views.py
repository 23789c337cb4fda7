"""Runs as they are shown, read past the session: what that adds takes several times as long as the query."""

from uuid import UUID

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
