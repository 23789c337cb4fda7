"""Task configurations as the API takes and shows them."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from api.schemas.fields import Body, JsonObject, Name, Patch, Text


class TaskConfigCreate(Body):
    """A new task configuration: what an agent is asked for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Find tasks", "description": "Tasks that people agreed on in chat."}]}
    )

    name: Name
    description: Text | None = None
    response_schema: JsonObject | None = None
    is_active: bool = True


class TaskConfigPatch(Patch):
    """What changes of a task configuration."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "Bugs only."}]})
    nullable: ClassVar[frozenset[str]] = frozenset({"description", "response_schema"})

    name: Name | None = None
    description: Text | None = None
    response_schema: JsonObject | None = None
    is_active: bool | None = None


class TaskConfigView(BaseModel):
    """A task configuration."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    description: str | None
    response_schema: JsonObject | None
    is_active: bool
    created_at: datetime
    updated_at: datetime
