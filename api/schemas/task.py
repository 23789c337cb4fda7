"""Tasks as the API shows and changes them."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from api.schemas.audit import AuditView
from api.schemas.fields import Name, Patch, Text
from models.proposal_views import EvidenceMessage
from models.values import Category, Priority, TaskStatus


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise PydanticCustomError("invalid_address", "must be an http or https address")
    return url


WebAddress = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_web_address)]


class TaskView(BaseModel):
    """A task. `incident_count` is how many proposals report it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    description: str
    status: TaskStatus
    priority: Priority
    category: Category
    tags: list[str]
    assignee: str | None
    due_date: date | None
    project_config_id: UUID | None
    parent_task_id: UUID | None
    incident_count: int
    external_system: str | None
    external_id: str | None
    external_url: str | None
    created_at: datetime
    updated_at: datetime
    version: int


class TaskPatch(Patch):
    """What changes of a task. It is `withdrawn` only by undoing its approval."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "in_progress", "assignee": "dana"}]})
    nullable: ClassVar[frozenset[str]] = frozenset(
        {
            "assignee",
            "due_date",
            "project_config_id",
            "parent_task_id",
            "external_system",
            "external_id",
            "external_url",
        }
    )

    title: Name | None = None
    description: Text | None = None
    status: Literal["open", "in_progress", "completed", "closed"] | None = None
    priority: Priority | None = None
    category: Category | None = None
    tags: Annotated[list[Name], Field(max_length=50)] | None = None
    assignee: Name | None = None
    due_date: date | None = None
    project_config_id: UUID | None = None
    parent_task_id: UUID | None = None
    external_system: Name | None = None
    external_id: Name | None = None
    external_url: WebAddress | None = None


class TaskEvidence(BaseModel):
    """A message that a report rests on, and the words in it. `message` is null where it was deleted since."""

    message_id: UUID
    quote: str | None
    href: str
    message: EvidenceMessage | None


class TaskReport(BaseModel):
    """A proposal that reports the task, with the run, model and prompt that it came from."""

    model_config = ConfigDict(from_attributes=True)

    proposal_id: UUID
    run_id: UUID
    batch_no: int
    title: str
    model: str
    prompt_version: str
    confidence: float
    reasoning: str
    merged_into_id: UUID | None
    reviewed_by: str | None
    reviewed_at: datetime | None
    review_notes: str | None
    evidence: list[TaskEvidence]


class TaskChild(BaseModel):
    """A task below this one."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    status: TaskStatus


class TaskDetail(TaskView):
    """A task, where it came from, what was merged into it, and its newest changes. `provenance` is null while the task
    is withdrawn."""

    provenance: TaskReport | None
    merges: list[TaskReport]
    children: list[TaskChild]
    history: list[AuditView]
