"""What crosses the wire between workflow, activities and callers. Persisted: only optional fields are ever added.

No message text, prompt, answer or key is in any of these: ids, counts and words only.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

WORKFLOW_TYPE = "AnalysisRun"
TRIAL_TYPE = "ProviderTrial"
SWEEP_TYPE = "Sweep"
SWEEP_SCHEDULE = "gleaner-sweep"
QUEUE = "gleaner"
"""Workflows and activities on the database."""
MODEL_QUEUE = "gleaner-model"
"""Model calls."""

SEARCH_ATTRIBUTES: dict[str, Literal["Keyword", "Int"]] = {
    "RunStatus": "Keyword",
    "RunStage": "Keyword",
    "ProjectName": "Keyword",
    "TriggerType": "Keyword",
    "BatchesFailed": "Int",
    "ProposalsPending": "Int",
}

CommandName = Literal["pause", "resume", "cancel", "retry_failed_batches", "set_limits", "close"]
Phase = Literal["analysis", "review", "over"]
PausedReason = Literal["requested", "budget", "provider_unavailable"]


def workflow_id(run_id: UUID) -> str:
    """The one workflow id of a run."""
    return f"analysis-run-{run_id}"


def trial_id(provider_id: UUID) -> str:
    """The workflow id of a provider's trial: one at a time."""
    return f"provider-trial-{provider_id}"


class ProviderTrial(BaseModel):
    """Whom to try; with the model of an agent that uses it, unless one is named."""

    provider_id: UUID
    model_name: str | None = None


class SweepInput(BaseModel):
    """What told something within the grace is left alone: it may be on its way."""

    grace_seconds: float = 60.0


class SweepReport(BaseModel):
    found: int
    repaired: int


class RunInput(BaseModel):
    """The input of every execution; everything else is read from the row."""

    run_id: UUID


class BeginRun(BaseModel):
    """`retry`: the execution was opened to run the failed batches again."""

    run_id: UUID
    retry: bool = False


class ErrorInfo(BaseModel):
    """Why a run paused or failed (the row's `error_log` without its time)."""

    code: str
    message: str
    hint: str = ""


class RunState(BaseModel):
    """Where a run stands, as its row says."""

    phase: Phase
    status: str
    stage: str | None = None
    paused_reason: str | None = None
    concurrency: int = 8
    project_name: str | None = None
    trigger_type: str | None = None
    batches_created: int = 0
    batches_failed: int = 0
    proposals_pending: int = 0
    history_limit: int | None = None
    """Events after which the execution continues as new, besides the server's own suggestion."""
    group_from: int | None = None
    """From how many batches on a worker is given several at a time; None is never."""
    rounds_up: bool = False
    """Whether a group is a place's share of what waits rounded up; histories of before know only down."""
    probe_seconds: float = 30.0
    """How long after it went down a provider is first probed."""
    closes_at: datetime | None = None
    """When a run that nobody has to decide on any more closes by itself."""
    error: ErrorInfo | None = None


class RunRef(BaseModel):
    run_id: UUID


class Batches(BaseModel):
    """The batches that wait, as inclusive ranges of their numbers, out of `total`."""

    total: int
    unsettled: list[tuple[int, int]]


class BatchRef(BaseModel):
    run_id: UUID
    batch_no: int


class BatchSettled(BaseModel):
    """Where the run stands after a batch. `counted` is false when the batch had been settled before."""

    counted: bool = True
    proposals: int = 0
    proposals_pending: int = 0
    batches_failed: int = 0
    concurrency: int = Field(default=8, exclude=True)
    """Of the run, as of then. It stays in the worker."""


class Extracted(BaseModel):
    """What an attempt at a batch came to.

    `answered`: an answer is stored; where what it holds is saved too, `settled` says so. `not_called`: the run isn't
    running, nothing was asked. `provider_down`: the provider that worked is gone, the run should pause. `hopeless`:
    waiting can't help, the run should fail. `too_long`: the model can't take the batch whole. `budget`: the call could
    pass the run's budget.
    """

    outcome: Literal["answered", "not_called", "provider_down", "hopeless", "too_long", "budget"]
    error: ErrorInfo | None = None
    settled: BatchSettled | None = None


class BatchGroup(BaseModel):
    """Batches that one activity takes one after another, in this order. `concurrency` is the run's."""

    run_id: UUID
    batch_nos: list[int]
    concurrency: int


class GroupExtracted(BaseModel):
    """How far a group came: all but those `left`, in their order, are settled; `settled` is how the last left it.

    Something stood in the way of the batch `at`: `stopped` says what, or `failure` why it fails for good. With neither
    it is to be asked about alone, where every error is dealt with. Without `at` the group has only ended early.
    """

    left: list[int]
    settled: BatchSettled | None = None
    at: int | None = None
    stopped: Extracted | None = None
    failure: str | None = None


class BatchSplit(BaseModel):
    """The batches that took the place of one that was too long, out of now `total`."""

    into: list[int]
    total: int


class Probed(BaseModel):
    """Whether a provider that was down answers again."""

    up: bool


class BatchFailure(BaseModel):
    run_id: UUID
    batch_no: int
    error: str


class RunCommand(BaseModel):
    """A command for the row. `reason` and `error` go with a pause that the run itself asks for."""

    run_id: UUID
    name: CommandName
    in_flight: int = 0
    reason: PausedReason = "requested"
    error: ErrorInfo | None = None
    budget_usd: str | None = None
    concurrency: int | None = None


class CommandOutcome(BaseModel):
    """What the row says after a command: taken, or refused with the code of the refusal."""

    accepted: bool
    code: str | None = None
    detail: str | None = None
    state: RunState


class FinishRun(BaseModel):
    """The end of the analysis. `ended` lets the row decide between completed and failed."""

    run_id: UUID
    outcome: Literal["ended", "failed", "cancelled"]
    error: ErrorInfo | None = None


class LimitsChange(BaseModel):
    """`set_limits` and `change_limits`: what to change, US dollars as a decimal string."""

    budget_usd: str | None = None
    concurrency: int | None = None


class ProgressReport(BaseModel):
    """The answer of the query `progress`: what the workflow knows without asking anybody."""

    run_id: UUID
    status: str
    stage: str | None
    paused_reason: str | None
    in_flight: list[int]
    waiting: int
    current_batch: int
    total_batches: int
    batches_failed: int
    proposals_pending: int
    progress_percent: int
    since: datetime
    """When this execution began."""
    next_probe_at: datetime | None = None
    """When a provider that is down is asked again."""
