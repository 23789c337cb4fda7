"""The audit: who did what, when, and what it changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from models.base import one_of
from models.columns import id_column, object_column, stamp_column, text_column, word_column
from models.values import ActorKind, EntityType


class AuditEntry(SQLModel, table=True):
    """One change of one thing, written in the transaction that makes it. `before` is null where the thing was made,
    `after` where it was removed; else both hold the fields that changed. The database refuses to change an entry."""

    __tablename__ = "audit_log"
    __table_args__ = (
        one_of("audit_log", "actor_kind", ActorKind),
        one_of("audit_log", "entity_type", EntityType),
        Index("ix_audit_log_at", text("at DESC"), text("id DESC")),
        Index("ix_audit_log_entity_type", "entity_type", text("at DESC"), text("id DESC")),
        Index("ix_audit_log_entity_id", "entity_id", text("at DESC"), text("id DESC")),
        Index("ix_audit_log_actor_id", "actor_id", text("at DESC"), text("id DESC")),
        Index("ix_audit_log_actor_name", "actor_name", text("at DESC"), text("id DESC")),
        Index("ix_audit_log_action", "action", text("at DESC"), text("id DESC")),
    )

    id: UUID = id_column()
    at: datetime = stamp_column()
    actor_kind: ActorKind = word_column()
    actor_id: str = text_column()
    actor_name: str = text_column()
    action: str = text_column()
    entity_type: EntityType = word_column()
    entity_id: UUID = Field()
    before: dict[str, Any] | None = object_column(nullable=True)
    after: dict[str, Any] | None = object_column(nullable=True)
