"""What became of proposals, counted by everything that may explain it: always from rows, never from counters."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.types import Text, Uuid
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.closing import BANDS
from analysis.quality import Counts
from models.actor import SYSTEM
from models.base import Timestamp

Period = Literal["day", "week", "month"]

_LOWS = ", ".join(str(low) for low, _ in BANDS)
_OF_INTEREST = """
    status <> 'suppressed'
    AND created_at >= coalesce(:start, '-infinity') AND created_at < coalesce(:end, 'infinity')
    AND (CAST(:project AS uuid) IS NULL OR project_config_id = CAST(:project AS uuid))
    AND (CAST(:model AS text) IS NULL OR model = CAST(:model AS text))
"""
_PARAMETERS = (
    bindparam("start", type_=Timestamp),
    bindparam("end", type_=Timestamp),
    bindparam("project", type_=Uuid),
    bindparam("model", type_=Text),
)

# One pass over the proposals gives every grouping; `grouping()` tells which of them a row is of.
_counts = text(
    f"""
    WITH judged AS (
        SELECT status, confidence, edited_at, status = 'approved' AND reviewed_by = :system AS by_rule,
               reject_reason, model, prompt_version, project_config_id, proposed_category AS category,
               date_trunc(:period, created_at, 'UTC') AS period,
               width_bucket(confidence, ARRAY[{_LOWS}]::float8[]) - 1 AS band
        FROM task_proposals WHERE {_OF_INTEREST}
    )
    SELECT grouping(band, model, prompt_version, project_config_id, category, period, reject_reason),
           band, model, prompt_version, project_config_id, category, period, reject_reason,
           count(*), count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'approved'),
           count(*) FILTER (WHERE status = 'rejected'), count(*) FILTER (WHERE status = 'merged'),
           count(edited_at), count(*) FILTER (WHERE by_rule), coalesce(sum(confidence), 0)
    FROM judged
    GROUP BY GROUPING SETS (
        (), (band), (model), (prompt_version), (project_config_id), (category), (period), (reject_reason)
    )
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*_PARAMETERS, bindparam("period", type_=Text), bindparam("system", SYSTEM.name, type_=Text))

_edits = text(
    f"""
    SELECT changed.field, count(*)
    FROM audit_log AS entry
    JOIN task_proposals ON task_proposals.id = entry.entity_id
    CROSS JOIN LATERAL jsonb_object_keys(entry.after) AS changed (field)
    WHERE entry.entity_type = 'proposal' AND entry.action = 'edit' AND {_OF_INTEREST}
    GROUP BY 1 ORDER BY 2 DESC, 1
    """  # noqa: S608 - the part put in is a constant of the code
).bindparams(*_PARAMETERS)

_costs = text(
    """
    SELECT batch.cost_usd FROM analysis_batches AS batch JOIN analysis_runs AS run ON run.id = batch.run_id
    WHERE batch.llm_requests > 0
      AND run.created_at >= coalesce(:start, '-infinity') AND run.created_at < coalesce(:end, 'infinity')
      AND (CAST(:project AS uuid) IS NULL OR run.project_config_id = CAST(:project AS uuid))
      AND (CAST(:model AS text) IS NULL OR batch.model = CAST(:model AS text))
    """
).bindparams(*_PARAMETERS)

_GROUPINGS = ("band", "model", "prompt_version", "project_config_id", "category", "period", "reject_reason")


@dataclass(frozen=True)
class Scope:
    """Which proposals are looked at: made from `start` on and before `end`, of a project, by a model; None is all."""

    start: datetime | None = None
    end: datetime | None = None
    project_config_id: UUID | None = None
    model: str | None = None

    def values(self) -> dict[str, Any]:
        return {"start": self.start, "end": self.end, "project": self.project_config_id, "model": self.model}


@dataclass
class Counted:
    """Counts over all, and by the values of each grouping."""

    overall: Counts = field(default_factory=Counts)
    by: dict[str, dict[Any, Counts]] = field(default_factory=lambda: {name: {} for name in _GROUPINGS})


async def counts(session: AsyncSession, scope: Scope, period: Period) -> Counted:
    counted = Counted()
    for which, *row in (await session.execute(_counts, {**scope.values(), "period": period})).all():
        found = Counts(*row[len(_GROUPINGS) :])
        # grouping() has a bit for each column, 0 where the row is grouped by it.
        grouped = [at for at in range(len(_GROUPINGS)) if not which & 1 << (len(_GROUPINGS) - 1 - at)]
        if not grouped:
            counted.overall = found
        else:
            counted.by[_GROUPINGS[grouped[0]]][row[grouped[0]]] = found
    return counted


async def edits(session: AsyncSession, scope: Scope) -> dict[str, int]:
    """How often reviewers changed each field of a proposal, the most changed first."""
    return {name: int(count) for name, count in (await session.execute(_edits, scope.values())).all()}


async def costs(session: AsyncSession, scope: Scope) -> list[Decimal | None]:
    """What each batch that called a model cost, of runs made in the scope; None where the price is unknown."""
    return list((await session.scalars(_costs, scope.values())).all())


async def project_names(session: AsyncSession) -> dict[UUID, str]:
    return {row[0]: row[1] for row in (await session.execute(text("SELECT id, name FROM project_configs"))).all()}
