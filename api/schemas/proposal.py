"""Changes and decisions of proposals, as the API takes them."""

from datetime import date
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.fields import Body, Name, Patch, Share, Text
from models.values import Category, Priority, ProposalStatus, RejectReason

MAX_BULK = 10_000
"""Proposals that one bulk may decide."""


class ProposalPatch(Patch):
    """What changes of a proposal that is still pending."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"proposed_title": "Fix the login redirect", "proposed_priority": "high"}]}
    )
    nullable: ClassVar[frozenset[str]] = frozenset({"proposed_assignee", "due_date", "project_config_id"})

    proposed_title: Name | None = None
    proposed_description: Text | None = None
    proposed_priority: Priority | None = None
    proposed_category: Category | None = None
    proposed_tags: Annotated[list[Name], Field(max_length=50)] | None = None
    proposed_assignee: Name | None = None
    due_date: date | None = None
    project_config_id: UUID | None = None


class Merge(Body):
    """What a proposal is merged into: a task or another proposal, one of the two."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"target_task_id": "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10"}]}
    )

    target_task_id: UUID | None = None
    target_proposal_id: UUID | None = None
    notes: Text | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.target_task_id is None) == (self.target_proposal_id is None):
            raise PydanticCustomError("one_target", "name either target_task_id or target_proposal_id")
        return self


class BulkFilter(Body):
    """Which proposals are meant; every field that is named has to fit. Without `status` those that the action can be
    taken on."""

    run_id: UUID | None = None
    status: ProposalStatus | None = None
    min_confidence: Share | None = None
    max_confidence: Share | None = None
    project_config_id: UUID | None = None
    category: Category | None = None
    reviewed_by: Name | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise PydanticCustomError("empty_filter", "a filter names at least one field")
        return self


class Bulk(Body):
    """One action on many proposals: by their ids, or all that a filter finds. `reason` goes with `reject`, a target
    with `merge`. With `dry_run` nothing changes, and the reply says what would be refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "reject",
                    "filter": {"run_id": "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10", "max_confidence": 0.4},
                    "reason": "not_a_task",
                    "dry_run": True,
                }
            ]
        }
    )

    action: Literal["approve", "reject", "merge", "reopen"]
    ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_BULK)] | None = None
    filter: BulkFilter | None = None
    reason: RejectReason | None = None
    target_task_id: UUID | None = None
    target_proposal_id: UUID | None = None
    notes: Text | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("ids_or_filter", "name either ids or a filter")
        if (self.action == "reject") != (self.reason is not None):
            raise PydanticCustomError("reason_of_reject", "a reason goes with reject, and only with it")
        targets = (self.target_task_id is not None) + (self.target_proposal_id is not None)
        if targets != (1 if self.action == "merge" else 0):
            raise PydanticCustomError("target_of_merge", "one target goes with merge, and only with it")
        return self


class BulkFailure(BaseModel):
    """A proposal that was refused, and why."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str


class BulkResult(BaseModel):
    """What came of a bulk: `matched` is `done` and `failed` together, but in a dry run nothing is `done`."""

    matched: int
    done: int
    failed: list[BulkFailure]
