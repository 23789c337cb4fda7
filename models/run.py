"""Analysis runs, and what they leave behind batch by batch."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field, SQLModel

from models.base import Money, Timestamp, one_of
from models.columns import (
    count_column,
    flag_column,
    id_column,
    ids_column,
    money_column,
    object_column,
    stamp_column,
    text_column,
    time_column,
    word_column,
)
from models.values import BatchStatus, PausedReason, ReservationState, RunStage, RunStatus, TriggerType

OPEN_FOR_OVERLAP: tuple[RunStatus, ...] = ("pending", "running", "paused", "completed", "reviewed")
NO_PROJECT = UUID(int=0)

_open = ", ".join(f"'{status}'" for status in OPEN_FOR_OVERLAP)


class AnalysisRun(SQLModel, table=True):
    """One analysis run: its window, its state, its counters.

    `batches_created` leaves out batches that were split; `progress_percent` never falls, except by a retry.

    `proposals_total = pending + approved + rejected + merged`, which the database checks. `last_seq` is the number of
    the run's last event. Money is US dollars, null where the price is unknown.
    """

    __tablename__ = "analysis_runs"
    __table_args__ = (
        one_of("analysis_runs", "status", RunStatus),
        one_of("analysis_runs", "stage", RunStage),
        one_of("analysis_runs", "paused_reason", PausedReason),
        one_of("analysis_runs", "trigger_type", TriggerType),
        CheckConstraint("time_window_end > time_window_start", name="ck_analysis_runs_window"),
        CheckConstraint(
            "proposals_total = proposals_pending + proposals_approved + proposals_rejected + proposals_merged"
            " AND least(proposals_pending, proposals_approved, proposals_rejected, proposals_merged) >= 0",
            name="ck_analysis_runs_proposals",
        ),
        ExcludeConstraint(
            (text(f"coalesce(project_config_id, '{NO_PROJECT}'::uuid)"), "="),
            (text("tstzrange(time_window_start, time_window_end, '[)')"), "&&"),
            where=text(f"status IN ({_open})"),
            name="ex_analysis_runs_overlap",
        ),
        Index("ix_analysis_runs_created", text("created_at DESC"), text("id DESC")),
        Index("ix_analysis_runs_status", "status", text("created_at DESC"), text("id DESC")),
        Index("ix_analysis_runs_trigger", "trigger_type", text("created_at DESC"), text("id DESC")),
        Index("ix_analysis_runs_project", "project_config_id", text("created_at DESC"), text("id DESC")),
        Index("ix_analysis_runs_event", "last_event_at"),
    )

    id: UUID = id_column()
    status: RunStatus = word_column("pending")
    stage: RunStage | None = word_column(nullable=True)
    paused_reason: PausedReason | None = word_column(nullable=True)
    trigger_type: TriggerType = word_column("manual")
    triggered_by: str | None = text_column(nullable=True)
    time_window_start: datetime = Field(sa_type=Timestamp)
    time_window_end: datetime = Field(sa_type=Timestamp)
    agent_assignment_id: UUID = Field(foreign_key="agent_task_assignments.id", index=True)
    project_config_id: UUID | None = Field(default=None, foreign_key="project_configs.id")
    filters: dict[str, Any] = object_column()
    options: dict[str, Any] = object_column()
    config_snapshot: dict[str, Any] = object_column()

    created_at: datetime = stamp_column()
    start_requested_at: datetime | None = time_column()
    started_at: datetime | None = time_column()
    working_since: datetime | None = time_column()
    completed_at: datetime | None = time_column()
    closed_at: datetime | None = time_column()
    pending_command: str | None = text_column(nullable=True)
    pending_actor: dict[str, Any] | None = object_column(nullable=True)

    fetched_at: datetime | None = time_column()
    prefiltered_at: datetime | None = time_column()
    batched_at: datetime | None = time_column()
    total_messages_in_window: int = count_column()
    messages_after_prefilter: int = count_column()
    filtered_by_reason: dict[str, int] = object_column()
    batches_created: int = count_column()
    batches_completed: int = count_column()
    batches_failed: int = count_column()
    progress_percent: int = count_column()

    proposals_total: int = count_column()
    proposals_pending: int = count_column()
    proposals_approved: int = count_column()
    proposals_rejected: int = count_column()
    proposals_merged: int = count_column()
    proposals_suppressed: int = count_column()

    llm_requests: int = count_column()
    input_tokens: int = count_column()
    output_tokens: int = count_column()
    llm_tokens_used: int = count_column()
    cost_estimate: Decimal | None = money_column()
    cache_hits: int = count_column()

    error_log: dict[str, Any] | None = object_column(nullable=True)
    accuracy_metrics: dict[str, Any] | None = object_column(nullable=True)
    workflow_id: str | None = text_column(nullable=True)
    last_seq: int = count_column()
    last_event_at: datetime = stamp_column()
    version: int = count_column(1)


class MessageChunk(SQLModel, table=True):
    """Up to 10,000 message ids of a run's window in their order; `kept_ids` is null until the prefilter has run."""

    __tablename__ = "run_message_chunks"

    run_id: UUID = Field(foreign_key="analysis_runs.id", primary_key=True, ondelete="CASCADE")
    chunk_no: int = Field(primary_key=True)
    message_ids: list[UUID] = ids_column()
    kept_ids: list[UUID] | None = ids_column(nullable=True)
    filtered_by_reason: dict[str, int] = object_column()
    last_sent_at: datetime = Field(sa_type=Timestamp)
    last_message_id: UUID


class AnalysisBatch(SQLModel, table=True):
    """One batch: the messages of one model call, and what became of it. `batch_no` counts from 1.

    One that the model can't take whole is `split`, and two with the next numbers (and its own as `split_from`) take its
    place.
    """

    __tablename__ = "analysis_batches"
    __table_args__ = (
        one_of("analysis_batches", "status", BatchStatus),
        Index("ix_analysis_batches_needed", "fingerprint", postgresql_where=text("status IN ('waiting', 'running')")),
        Index(
            "ix_analysis_batches_unsettled",
            "run_id",
            "batch_no",
            postgresql_where=text("status IN ('waiting', 'running', 'failed')"),
        ),
    )

    run_id: UUID = Field(foreign_key="analysis_runs.id", primary_key=True, ondelete="CASCADE")
    batch_no: int = Field(primary_key=True)
    status: BatchStatus = word_column("waiting")
    source_id: UUID = Field(foreign_key="sources.id")
    channel: str = text_column()
    message_ids: list[UUID] = ids_column()
    message_count: int
    attempts: int = count_column()
    error: str | None = text_column(nullable=True)
    proposals: int = count_column()
    llm_requests: int = count_column()
    input_tokens: int = count_column()
    output_tokens: int = count_column()
    cost_usd: Decimal | None = money_column()
    latency_ms: int | None = Field(default=None)
    model: str | None = text_column(nullable=True)
    cached: bool = flag_column(False)
    fingerprint: str | None = text_column(nullable=True)
    split_from: int | None = Field(default=None)
    started_at: datetime | None = time_column()
    settled_at: datetime | None = time_column()


class ModelCall(SQLModel, table=True):
    """One attempt at one batch and what it used, failed attempts too. `outcome` is `answered` or a failure's kind."""

    __tablename__ = "model_calls"
    __table_args__ = (
        Index("ix_model_calls_run", "run_id", "outcome", "at"),
        Index("ix_model_calls_batch", "run_id", "batch_no", "at"),
    )

    id: UUID = id_column()
    run_id: UUID = Field(foreign_key="analysis_runs.id", ondelete="CASCADE")
    batch_no: int
    outcome: str = text_column()
    detail: str | None = text_column(nullable=True)
    requests: int = count_column()
    input_tokens: int = count_column()
    output_tokens: int = count_column()
    cost_usd: Decimal | None = money_column()
    latency_ms: int = count_column()
    at: datetime = stamp_column()


class BudgetReservation(SQLModel, table=True):
    """Money set aside for one attempt at one batch, in US dollars: `reserved_usd` for the request under way,
    `spent_usd` for the attempt's earlier ones that the run hasn't counted yet. `unknown` counts as spent."""

    __tablename__ = "budget_reservations"
    __table_args__ = (one_of("budget_reservations", "state", ReservationState),)

    run_id: UUID = Field(foreign_key="analysis_runs.id", primary_key=True, ondelete="CASCADE")
    batch_no: int = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    state: ReservationState = word_column("open")
    reserved_usd: Decimal = Field(sa_type=Money)
    spent_usd: Decimal = Field(default=Decimal(0), sa_type=Money, sa_column_kwargs={"server_default": text("0")})
    created_at: datetime = stamp_column()


class ModelResponse(SQLModel, table=True):
    """A model's raw answer under the fingerprint of everything that shaped the question."""

    __tablename__ = "model_responses"
    __table_args__ = (Index("ix_model_responses_created", "created_at"),)

    fingerprint: str = Field(primary_key=True)
    run_id: UUID = Field(foreign_key="analysis_runs.id", index=True, ondelete="CASCADE")
    model: str = text_column()
    raw_answer: str = text_column()
    input_tokens: int = count_column()
    output_tokens: int = count_column()
    cost_usd: Decimal | None = money_column()
    latency_ms: int = count_column()
    created_at: datetime = stamp_column()


class RunEvent(SQLModel, table=True):
    """One event of a run; `seq` counts from 1 without gaps, in commit order."""

    __tablename__ = "run_events"

    run_id: UUID = Field(foreign_key="analysis_runs.id", primary_key=True, ondelete="CASCADE")
    seq: int = Field(primary_key=True)
    event: str = text_column()
    data: dict[str, Any] = object_column()
    at: datetime = stamp_column()
