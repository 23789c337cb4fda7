"""Where messages come from."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from models.base import one_of
from models.columns import flag_column, id_column, object_column, stamp_column, text_column, word_column
from models.values import SourceType


class Source(SQLModel, table=True):
    """A workspace or chat network."""

    __tablename__ = "sources"
    __table_args__ = (one_of("sources", "type", SourceType),)

    id: UUID = id_column()
    name: str = text_column(unique=True)
    type: SourceType = word_column("api")
    config: dict[str, Any] = object_column()
    is_active: bool = flag_column(True)
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()
