"""The record of each import."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from models.base import one_of
from models.columns import count_column, id_column, list_column, object_column, stamp_column, time_column, word_column
from models.values import JobStatus, SourceType


class MessageIngestionJob(SQLModel, table=True):
    """One import: what it read and what became of it. `skipped` maps reasons to counts."""

    __tablename__ = "message_ingestion_jobs"
    __table_args__ = (
        one_of("message_ingestion_jobs", "status", JobStatus),
        one_of("message_ingestion_jobs", "source_type", SourceType),
        Index("ix_message_ingestion_jobs_created", text("created_at DESC")),
    )

    id: UUID = id_column()
    source_id: UUID = Field(foreign_key="sources.id", index=True)
    source_type: SourceType = word_column()
    source_identifiers: list[str] = list_column()
    time_window_start: datetime | None = time_column()
    time_window_end: datetime | None = time_column()
    status: JobStatus = word_column("pending")
    messages_read: int = count_column()
    messages_inserted: int = count_column()
    messages_updated: int = count_column()
    messages_unchanged: int = count_column()
    messages_skipped: int = count_column()
    skipped: dict[str, int] = object_column()
    error_log: dict[str, Any] | None = object_column(nullable=True)
    created_at: datetime = stamp_column()
    started_at: datetime | None = time_column()
    completed_at: datetime | None = time_column()
