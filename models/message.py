"""What people wrote, as it was imported or received."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.base import Timestamp
from models.columns import flag_column, id_column, stamp_column, text_column


class Message(SQLModel, table=True):
    """One message, keyed by (source, channel, external_id). `sent_at` is a moment, not a wall clock; the writer's was
    `utc_offset` minutes ahead of UTC."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("source_id", "channel", "external_id", name="uq_messages_key"),
        CheckConstraint("utc_offset BETWEEN -1439 AND 1439", name="ck_messages_utc_offset"),
        Index("ix_messages_window", "sent_at", "id"),
        Index("ix_messages_channel", "source_id", "channel", text("sent_at DESC"), text("id DESC")),
        Index(
            "ix_messages_content_trgm",
            "content",
            postgresql_using="gin",
            postgresql_ops={"content": "gin_trgm_ops"},
        ),
    )

    id: UUID = id_column()
    source_id: UUID = Field(foreign_key="sources.id")
    channel: str = text_column()
    external_id: str = text_column()
    author: str = text_column()
    author_id: UUID | None = Field(default=None, foreign_key="users.id", index=True)
    sent_at: datetime = Field(sa_type=Timestamp)
    utc_offset: int = Field(default=0, sa_type=SmallInteger, sa_column_kwargs={"server_default": text("0")})
    content: str = text_column()
    thread_id: str | None = text_column(nullable=True)
    reply_to: str | None = text_column(nullable=True)
    is_bot: bool = flag_column(False)
    is_system: bool = flag_column(False)
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()
