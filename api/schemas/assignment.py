"""Assignments as the API takes and shows them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from api.schemas.fields import Body, Patch
from models.values import ProviderType


class AssignmentCreate(Body):
    """The task configuration that an agent is given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task_id": "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10"}]})

    task_id: UUID


class AssignmentPatch(Patch):
    """Switches an assignment on or off."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})

    is_active: bool | None = None


class AssignmentView(BaseModel):
    """An agent given a task configuration: what a run is created with. The names are there for people."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_id: UUID
    task_id: UUID
    is_active: bool
    assigned_at: datetime
    agent_name: str
    task_name: str
    provider_name: str
    provider_type: ProviderType
    model_name: str
