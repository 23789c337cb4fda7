"""Proposals as the API shows them and takes decisions on them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from models.values import (
    Category,
    Priority,
    ProposalStatus,
    Recommendation,
    RejectReason,
    ReviewAction,
    SimilarityType,
    SuppressedReason,
)


class Evidence(BaseModel):
    """What a proposal rests on: a message and the words in it."""

    message_id: UUID
    quote: str


class ProposalView(BaseModel):
    """A proposal."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    run_id: UUID
    batch_no: int
    proposed_title: str
    proposed_description: str
    proposed_priority: Priority
    proposed_category: Category
    proposed_tags: list[str]
    proposed_assignee: str | None
    due_date: date | None
    confidence: float
    reasoning: str
    llm_recommendation: Recommendation
    source_message_ids: list[UUID]
    evidence: list[Evidence]
    message_count: int
    time_span_seconds: int
    project_config_id: UUID | None
    proposed_project_id: UUID | None
    project_classification_confidence: float | None
    project_keywords_matched: list[str]
    similar_task_id: UUID | None
    similar_proposal_id: UUID | None
    similarity_score: float | None
    similarity_type: SimilarityType
    diff_summary: dict[str, Any] | None
    status: ProposalStatus
    suppressed_reason: SuppressedReason | None
    task_id: UUID | None
    merged_into_id: UUID | None
    review_action: ReviewAction | None
    reject_reason: RejectReason | None
    review_notes: str | None
    reviewed_by: str | None
    reviewed_at: datetime | None
    edited_at: datetime | None
    created_at: datetime
    version: int
    model: str
    prompt_version: str


class EvidenceMessage(BaseModel):
    """A message that a proposal rests on."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel: str
    external_id: str
    author: str
    sent_at: datetime
    content: str
    thread_id: str | None


class SimilarTask(BaseModel):
    """A task that a proposal resembles."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    status: str


class ProposalDetail(ProposalView):
    """A proposal with the messages it rests on and the tasks it resembles."""

    messages: list[EvidenceMessage] = []
    similar_tasks: list[SimilarTask] = []


class Approval(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"notes": "Agreed in the planning."}]})

    notes: str | None = Field(default=None, max_length=10_000)


class Rejection(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "already_done"}]})

    reason: RejectReason
    notes: str | None = Field(default=None, max_length=10_000)
