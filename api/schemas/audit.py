"""The audit as the API shows it."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from api.schemas.fields import JsonObject
from models.values import ActorKind, EntityType


class AuditView(BaseModel):
    """Who did what and when. `before` and `after` hold the fields that changed; `before` is null where the thing was
    made, `after` where it was removed."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    actor_kind: ActorKind
    actor_id: str
    actor_name: str
    action: str
    entity_type: EntityType
    entity_id: UUID
    before: JsonObject | None
    after: JsonObject | None
