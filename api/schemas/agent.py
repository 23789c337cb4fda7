"""Agents as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Body, Count, Name, Patch, Prompt, Text

Temperature = Annotated[float, Field(ge=0, le=2)]


class AgentCreate(Body):
    """A new agent. An empty `system_prompt` means Gleaner's own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Task finder",
                    "provider_id": "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10",
                    "model_name": "gpt-4.1-mini",
                    "temperature": 0.2,
                }
            ]
        }
    )

    name: Name
    description: Text | None = None
    provider_id: UUID
    model_name: Name
    system_prompt: Prompt = ""
    temperature: Temperature | None = None
    max_tokens: Count | None = None
    is_active: bool = True


class AgentPatch(Patch):
    """What changes of an agent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model_name": "gpt-4.1"}]})
    nullable: ClassVar[frozenset[str]] = frozenset({"description", "temperature", "max_tokens"})

    name: Name | None = None
    description: Text | None = None
    provider_id: UUID | None = None
    model_name: Name | None = None
    system_prompt: Prompt | None = None
    temperature: Temperature | None = None
    max_tokens: Count | None = None
    is_active: bool | None = None


class AgentView(BaseModel):
    """An agent: provider, model and prompt."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    description: str | None
    provider_id: UUID
    model_name: str
    system_prompt: str
    temperature: float | None
    max_tokens: int | None
    is_active: bool
    created_at: datetime
    updated_at: datetime
