"""Sources as the API takes and shows them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Body, JsonObject, Name, Patch
from models.values import SourceType


class SourceCreate(Body):
    """A new source. `config` is shown to every reader: it is no place for secrets."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "acme-slack", "type": "slack"}]})

    name: Name
    type: SourceType = "api"
    config: JsonObject = Field(default_factory=dict)
    is_active: bool = True


class SourcePatch(Patch):
    """What changes of a source."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "acme"}]})

    name: Name | None = None
    type: SourceType | None = None
    config: JsonObject | None = None
    is_active: bool | None = None


class SourceView(BaseModel):
    """A workspace or chat network."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    type: SourceType
    config: JsonObject
    is_active: bool
    created_at: datetime
    updated_at: datetime
