"""The closed sets of words that rows and answers may hold. The database enforces each as a CHECK constraint."""

from typing import Literal, get_args

RunStatus = Literal["pending", "running", "paused", "completed", "reviewed", "closed", "failed", "cancelled"]
PausedReason = Literal["requested", "budget", "provider_unavailable"]
RunStage = Literal[
    "queued", "fetching", "prefiltering", "batching", "extracting", "draining", "held", "review", "finished"
]
TriggerType = Literal["manual", "scheduled", "custom"]
BatchStatus = Literal["waiting", "running", "completed", "failed", "split"]
ProposalStatus = Literal["pending", "approved", "rejected", "merged", "suppressed"]
SuppressedReason = Literal["rejected_before", "pending_elsewhere", "known_task"]
Priority = Literal["low", "medium", "high", "critical"]
Category = Literal["bug", "feature", "improvement", "question", "chore"]
Recommendation = Literal["new_task", "update_existing", "merge", "reject"]
SimilarityType = Literal["exact_messages", "semantic", "none"]
RejectReason = Literal["not_a_task", "already_done", "duplicate", "wrong_details", "other"]
ReviewAction = Literal["approve", "reject", "merge", "edit"]
TaskStatus = Literal["open", "in_progress", "completed", "closed", "withdrawn"]
ProviderType = Literal["offline", "openai", "ollama", "anthropic", "google", "mistral", "groq", "azure", "bedrock"]
OutputMode = Literal["auto", "tool", "native", "prompted"]
ValidationStatus = Literal["pending", "validating", "connected", "error"]
SourceType = Literal["slack", "telegram", "discord", "mattermost", "email", "irc", "api"]
Prefilter = Literal["rules", "scored", "off"]
DuplicateCheck = Literal["rules", "model"]
Scope = Literal["read", "review", "run", "admin"]
FindingKind = Literal["no_workflow", "needless_workflow", "unknown_run", "not_closed", "counters_disagree"]
ReservationState = Literal["open", "unknown"]
JobStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
ActorKind = Literal["user", "key", "system", "model"]
EntityType = Literal[
    "run", "proposal", "task", "provider", "agent", "task_config", "assignment", "project", "source", "api_key"
]


def words(alias: object) -> tuple[str, ...]:
    """The members of one of the aliases above, in their order."""
    return tuple(get_args(alias))
