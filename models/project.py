"""Projects: the words and rules by which a run tells what belongs to whom."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from models.columns import flag_column, id_column, list_column, object_column, stamp_column, text_column


class ProjectConfig(SQLModel, table=True):
    """A project. `auto_approve` is the rule by which proposals are approved without a person, `{min_confidence,
    max_similarity}`, or null. `glossary` maps terms to meanings, `components` are `{name, keywords}`, `priority_rules`
    hold `critical_keywords` and `high_keywords`; `version` is semantic and rises with every change of those."""

    __tablename__ = "project_configs"

    id: UUID = id_column()
    name: str = text_column(unique=True)
    description: str = text_column("")
    keywords: list[str] = list_column()
    glossary: dict[str, str] = object_column()
    components: list[dict[str, Any]] = list_column()
    priority_rules: dict[str, Any] = object_column()
    default_assignees: list[str] = list_column()
    auto_approve: dict[str, Any] | None = object_column(nullable=True)
    pm_user_id: UUID | None = Field(default=None, foreign_key="users.id", index=True)
    is_active: bool = flag_column(True)
    version: str = text_column("1.0.0")
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()
