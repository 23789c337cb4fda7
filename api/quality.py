"""How far proposals deserve trust."""

from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from analysis.quality import calibration, cost_per_task, rates
from api.auth import Reader
from api.dependencies import Api
from api.problems import invalid_field
from api.schemas.quality import (
    BandRates,
    CategoryRates,
    Costs,
    ModelRates,
    PeriodRates,
    ProjectRates,
    PromptRates,
    Quality,
    Rates,
)
from db import quality
from db.quality import Counted, Scope
from models.base import AwareTime

router = APIRouter(tags=["service"])
Row = TypeVar("Row", bound=BaseModel)


@router.get("/stats/quality")
async def read_quality(
    _: Reader,
    resources: Api,
    start: Annotated[AwareTime | None, Query(alias="from", description="Proposals made from then on.")] = None,
    end: Annotated[AwareTime | None, Query(alias="to", description="Proposals made before then.")] = None,
    project_config_id: UUID | None = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
    period: quality.Period = "week",
) -> Quality:
    """Approval rates and calibration by confidence, model, prompt version, project and category and over time, why
    reviewers rejected, what they edited, and what an approved task cost. All of it is counted from rows."""
    if start is not None and end is not None and end <= start:
        raise invalid_field("to", "window_empty", "must be after from")
    scope = Scope(start, end, project_config_id, model)
    async with resources.database.transaction() as session:
        counted = await quality.counts(session, scope, period)
        edits = await quality.edits(session, scope)
        costs = await quality.costs(session, scope)
        names = await quality.project_names(session)
    spent, each = cost_per_task(costs, counted.overall.approved)
    return Quality(
        overall=Rates.model_validate(rates(counted.overall)),
        by_confidence=[BandRates.model_validate(row) for row in calibration(counted.by["band"])],
        by_model=_rows(ModelRates, counted, "model"),
        by_prompt_version=_rows(PromptRates, counted, "prompt_version"),
        by_project=[
            ProjectRates.model_validate({"project_config_id": key, "project": names.get(key), **rates(found)})
            for key, found in sorted(counted.by["project_config_id"].items(), key=lambda one: names.get(one[0], ""))
        ],
        by_category=_rows(CategoryRates, counted, "category"),
        over_time=_rows(PeriodRates, counted, "period", shown_as="start"),
        reject_reasons={
            reason: found.rejected
            for reason, found in sorted(counted.by["reject_reason"].items(), key=_most_rejected)
            if reason is not None
        },
        edits=edits,
        costs=Costs(cost_usd=spent, approved_tasks=counted.overall.approved, cost_per_approved_task=each),
    )


def _rows(kind: type[Row], counted: Counted, grouping: str, *, shown_as: str | None = None) -> list[Row]:
    """A row for each value of the grouping, in the order of the values."""
    return [
        kind.model_validate({shown_as or grouping: value, **rates(found)})
        for value, found in sorted(counted.by[grouping].items())
    ]


def _most_rejected(entry: tuple[Any, Any]) -> tuple[int, str]:
    return -entry[1].rejected, str(entry[0])
