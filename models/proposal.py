"""Task proposals: what a model suggests and a person decides."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.base import one_of
from models.columns import (
    count_column,
    id_column,
    ids_column,
    list_column,
    object_column,
    stamp_column,
    text_column,
    time_column,
    word_column,
)
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


class TaskProposal(SQLModel, table=True):
    """A proposal, keyed by (run, batch, ordinal). `evidence` is a list of `{message_id, quote}`.

    `task_id` is the task that it became or was merged into, `merged_into_id` the proposal that it was merged into. The
    evidence of what was merged into a proposal is part of its own, and `own_evidence` remembers what it had before.
    `withdrawn_task_id` is the task of an approval that was undone, which comes back with the next one. A `suppressed`
    one says again what an earlier run's `similar_proposal_id` said; it waits for nobody and is in no total.
    """

    __tablename__ = "task_proposals"
    __table_args__ = (
        UniqueConstraint("run_id", "batch_no", "ordinal", name="uq_task_proposals_key"),
        one_of("task_proposals", "status", ProposalStatus),
        one_of("task_proposals", "proposed_priority", Priority),
        one_of("task_proposals", "proposed_category", Category),
        one_of("task_proposals", "llm_recommendation", Recommendation),
        one_of("task_proposals", "similarity_type", SimilarityType),
        one_of("task_proposals", "reject_reason", RejectReason),
        one_of("task_proposals", "suppressed_reason", SuppressedReason),
        one_of("task_proposals", "review_action", ReviewAction),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="ck_task_proposals_confidence"),
        CheckConstraint("similarity_score BETWEEN 0 AND 1", name="ck_task_proposals_similarity_score"),
        CheckConstraint("char_length(proposed_title) BETWEEN 1 AND 200", name="ck_task_proposals_proposed_title"),
        CheckConstraint(
            "(status = 'suppressed') = (suppressed_reason IS NOT NULL)", name="ck_task_proposals_suppressed"
        ),
        CheckConstraint("cardinality(source_message_ids) >= 1", name="ck_task_proposals_source_message_ids"),
        Index("ix_task_proposals_confidence", text("confidence DESC"), text("id DESC")),
        Index("ix_task_proposals_run", "run_id", text("confidence DESC"), text("id DESC")),
        Index("ix_task_proposals_status", "status", text("confidence DESC"), text("id DESC")),
        Index("ix_task_proposals_project", "project_config_id", text("confidence DESC"), text("id DESC")),
        Index("ix_task_proposals_evidence", "source_message_ids", postgresql_using="gin"),
        Index(
            "ix_task_proposals_title_alike",
            "proposed_title",
            postgresql_using="gist",
            postgresql_ops={"proposed_title": "gist_trgm_ops(siglen=64)"},
        ),
    )

    id: UUID = id_column()
    run_id: UUID = Field(foreign_key="analysis_runs.id", ondelete="CASCADE")
    batch_no: int
    ordinal: int
    proposed_title: str = text_column()
    proposed_description: str = text_column("")
    proposed_priority: Priority = word_column("medium")
    proposed_category: Category = word_column("feature")
    proposed_tags: list[str] = list_column()
    proposed_assignee: str | None = text_column(nullable=True)
    proposed_project_id: UUID | None = Field(default=None, foreign_key="project_configs.id", index=True)
    proposed_parent_id: UUID | None = Field(default=None, foreign_key="tasks.id", index=True)
    proposed_sub_tasks: list[dict[str, Any]] = list_column()
    due_date: date | None = Field(default=None)
    confidence: float
    reasoning: str = text_column("")
    llm_recommendation: Recommendation = word_column("new_task")
    source_message_ids: list[UUID] = ids_column()
    evidence: list[dict[str, str]] = list_column()
    message_count: int
    time_span_seconds: int = count_column()
    project_config_id: UUID | None = Field(default=None, foreign_key="project_configs.id")
    project_classification_confidence: float | None = Field(default=None)
    project_keywords_matched: list[str] = list_column()
    similar_task_id: UUID | None = Field(default=None, foreign_key="tasks.id", index=True)
    similar_proposal_id: UUID | None = Field(
        default=None, foreign_key="task_proposals.id", ondelete="SET NULL", index=True
    )
    similarity_score: float | None = Field(default=None)
    similarity_type: SimilarityType = word_column("none")
    diff_summary: dict[str, Any] | None = object_column(nullable=True)
    status: ProposalStatus = word_column("pending")
    suppressed_reason: SuppressedReason | None = word_column(nullable=True)
    task_id: UUID | None = Field(default=None, foreign_key="tasks.id", index=True)
    merged_into_id: UUID | None = Field(default=None, foreign_key="task_proposals.id", index=True)
    withdrawn_task_id: UUID | None = Field(default=None, foreign_key="tasks.id", index=True)
    own_evidence: dict[str, Any] | None = object_column(nullable=True)
    review_action: ReviewAction | None = word_column(nullable=True)
    reject_reason: RejectReason | None = word_column(nullable=True)
    review_notes: str | None = text_column(nullable=True)
    reviewed_by: str | None = text_column(nullable=True)
    reviewed_at: datetime | None = time_column()
    edited_at: datetime | None = time_column()
    model: str = text_column()
    prompt_version: str = text_column()
    created_at: datetime = stamp_column()
    version: int = count_column(1)
