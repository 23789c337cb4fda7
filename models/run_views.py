"""Runs as the API takes and shows them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.base import AwareTime, Dollars
from models.run import AnalysisBatch
from models.values import (
    BatchStatus,
    DuplicateCheck,
    PausedReason,
    Prefilter,
    RunStage,
    RunStatus,
    TriggerType,
)

Budget = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=6)]
Concurrency = Annotated[int, Field(ge=1, le=100)]


class RunFilters(BaseModel):
    """Which of the window's messages a run takes; an empty list takes all."""

    model_config = ConfigDict(extra="forbid")

    source_ids: list[UUID] = Field(default=[], max_length=1000)
    channels: list[str] = Field(default=[], max_length=1000)
    authors: list[str] = Field(default=[], max_length=1000)


class RunOptions(BaseModel):
    """How a run works. Times are in seconds, the budget in US dollars."""

    model_config = ConfigDict(extra="forbid")

    max_batch_size: int = Field(default=50, ge=10, le=200)
    time_gap_seconds: int = Field(default=600, ge=60, le=3600)
    concurrency: Concurrency = 8
    budget_usd: Budget | None = None
    use_cache: bool = True
    prefilter: Prefilter = "rules"
    min_confidence: float = Field(default=0, ge=0, le=1)
    duplicates: DuplicateCheck = "rules"
    auto_close_after_seconds: int | None = Field(default=None, ge=60, le=31_536_000)


class RunCreate(BaseModel):
    """A new run. The window is half-open: its end belongs to the next one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "time_window_start": "2026-03-10T00:00:00Z",
                    "time_window_end": "2026-03-12T00:00:00Z",
                    "agent_assignment_id": "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10",
                    "trigger_type": "manual",
                    "options": {"concurrency": 8},
                }
            ]
        },
    )

    time_window_start: AwareTime
    time_window_end: AwareTime
    agent_assignment_id: UUID
    project_config_id: UUID | None = None
    trigger_type: TriggerType = "manual"
    filters: RunFilters = RunFilters()
    options: RunOptions = RunOptions()

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.time_window_end <= self.time_window_start:
            raise ValueError("time_window_end must be after time_window_start")
        return self


class LimitsPatch(BaseModel):
    """New limits of a run; what isn't named stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"budget_usd": "5.00", "concurrency": 16}]}
    )

    budget_usd: Budget | None = None
    concurrency: Concurrency | None = None


class ErrorLog(BaseModel):
    """Why a run failed or paused by itself, and what to do."""

    code: str
    message: str
    hint: str
    at: datetime


class RunView(BaseModel):
    """A run."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: RunStatus
    paused_reason: PausedReason | None
    stage: RunStage | None
    trigger_type: TriggerType
    triggered_by: str | None
    time_window_start: datetime
    time_window_end: datetime
    agent_assignment_id: UUID
    project_config_id: UUID | None
    filters: dict[str, Any]
    options: dict[str, Any]
    config_snapshot: dict[str, Any]
    created_at: datetime
    start_requested_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    closed_at: datetime | None
    pending_command: str | None
    total_messages_in_window: int
    messages_after_prefilter: int
    filtered_by_reason: dict[str, int]
    batches_created: int
    batches_completed: int
    batches_failed: int
    proposals_total: int
    proposals_pending: int
    proposals_approved: int
    proposals_rejected: int
    proposals_merged: int
    proposals_suppressed: int
    llm_requests: int
    input_tokens: int
    output_tokens: int
    llm_tokens_used: int
    cost_estimate: Dollars | None
    cache_hits: int
    error_log: ErrorLog | None
    accuracy_metrics: dict[str, Any] | None
    workflow_id: str | None
    workflow_url: str | None = None
    last_seq: int
    version: int

    def linked(self, *, ui_url: str, namespace: str) -> Self:
        """With a link to its workflow in the Temporal Web UI once it has one."""
        if self.workflow_id is not None:
            self.workflow_url = f"{ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{self.workflow_id}"
        return self


class RunStarted(BaseModel):
    """The reply to a start."""

    status: Literal["started"] = "started"
    run_id: UUID
    message: str = "Analysis run job triggered successfully"


class FilteredSample(BaseModel):
    """A message that the prefilter would drop, and how it begins."""

    message_id: UUID
    channel: str
    author: str
    sent_at: datetime
    text: str


class RunPreview(BaseModel):
    """What a run would do; nothing is stored and no model asked. Tokens and cost are estimates."""

    messages_in_window: int
    messages_after_prefilter: int
    filtered_by_reason: dict[str, int]
    filtered_samples: dict[str, list[FilteredSample]] = Field(description="The first few of each reason.")
    batches: int
    estimated_input_tokens: int
    estimated_cost_usd: Dollars | None


class RunProgress(BaseModel):
    """Where a run stands. `source` tells whether its workflow answered or only the database."""

    run_id: UUID
    source: Literal["workflow", "database"]
    worker_seen_at: datetime | None
    worker_polling: bool
    """Whether workers of both task queues said within 15 seconds that they live."""
    waiting_for: Literal["worker", "resume", "budget", "provider", "review"] | None
    """What has to come before the run goes on; null while it works, or is over."""
    status: RunStatus
    stage: RunStage | None
    paused_reason: PausedReason | None
    in_flight: list[int]
    current_batch: int
    total_batches: int
    batches_failed: int
    progress_percent: int
    messages_in_window: int
    messages_after_prefilter: int
    proposals_total: int
    tokens_used: int
    cost_usd: Dollars | None
    budget_usd: Dollars | None
    budget_reserved_usd: Dollars
    """Set aside for calls under way."""
    budget_unknown_usd: Dollars
    """Counted as spent for calls whose usage nobody will know: they timed out or their worker died."""
    next_probe_at: datetime | None
    """When a provider that is down is asked again."""
    eta_seconds: float | None


class BatchView(BaseModel):
    """One batch of a run."""

    model_config = ConfigDict(from_attributes=True)

    batch_no: int
    status: BatchStatus
    channel: str
    message_count: int
    attempts: int
    error: str | None
    proposals: int
    input_tokens: int
    output_tokens: int
    cost_usd: Dollars | None
    latency_ms: int | None
    model: str | None
    cached: bool
    split_from: int | None

    @classmethod
    def of(cls, batch: AnalysisBatch) -> "BatchView":
        return cls.model_validate(batch)
