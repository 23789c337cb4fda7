"""Figures of quality as the API shows them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Rates(BaseModel):
    """What became of a group of proposals. `auto_approved` are those of the approved ones that no person decided;
    `approval_rate` is of the others that were decided. A ratio with nothing under it is null."""

    proposals: int
    pending: int
    approved: int
    rejected: int
    merged: int
    edited: int
    auto_approved: int
    approval_rate: float | None
    edit_rate: float | None
    avg_confidence: float | None


class BandRates(Rates):
    """Of a band of confidence; `gap` is by how much the model is surer than it is right."""

    band: str
    gap: float | None


class ModelRates(Rates):
    model: str


class PromptRates(Rates):
    prompt_version: str


class ProjectRates(Rates):
    """`project` is the name; both are null for proposals without a project."""

    project_config_id: UUID | None
    project: str | None


class CategoryRates(Rates):
    category: str


class PeriodRates(Rates):
    """Of the day, week or month (UTC) that begins then."""

    start: datetime


class Costs(BaseModel):
    """US dollars that the models of these proposals cost; null where a price is unknown."""

    cost_usd: str | None
    approved_tasks: int
    cost_per_approved_task: str | None


class Quality(BaseModel):
    """How far the proposals deserve trust. `edits` counts by field how often reviewers changed one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "overall": {
                        "proposals": 53,
                        "pending": 0,
                        "approved": 36,
                        "rejected": 17,
                        "merged": 0,
                        "edited": 4,
                        "auto_approved": 0,
                        "approval_rate": 0.679245,
                        "edit_rate": 0.075472,
                        "avg_confidence": 0.81,
                    },
                    "by_confidence": [],
                    "by_model": [],
                    "by_prompt_version": [],
                    "by_project": [],
                    "by_category": [],
                    "over_time": [],
                    "reject_reasons": {"not_a_task": 12, "already_done": 5},
                    "edits": {"proposed_assignee": 3, "due_date": 1},
                    "costs": {"cost_usd": "0.36", "approved_tasks": 36, "cost_per_approved_task": "0.01"},
                }
            ]
        }
    )

    overall: Rates
    by_confidence: list[BandRates]
    by_model: list[ModelRates]
    by_prompt_version: list[PromptRates]
    by_project: list[ProjectRates]
    by_category: list[CategoryRates]
    over_time: list[PeriodRates]
    reject_reasons: dict[str, int]
    edits: dict[str, int]
    costs: Costs
