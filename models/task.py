"""Tasks: what approved proposals become."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from models.base import one_of
from models.columns import count_column, id_column, list_column, stamp_column, text_column, word_column
from models.values import Category, Priority, TaskStatus


class Task(SQLModel, table=True):
    """A task. `incident_count` is how many proposals report it; `withdrawn` is one whose approval was undone. The
    three `external_…` fields say where a tracker has it."""

    __tablename__ = "tasks"
    __table_args__ = (
        one_of("tasks", "status", TaskStatus),
        one_of("tasks", "priority", Priority),
        one_of("tasks", "category", Category),
        CheckConstraint("parent_task_id <> id", name="ck_tasks_parent_task_id"),
        Index("uq_tasks_external", "external_system", "external_id", unique=True),
        Index("ix_tasks_created", text("created_at DESC"), text("id DESC")),
        Index("ix_tasks_status", "status", text("created_at DESC"), text("id DESC")),
        Index("ix_tasks_project", "project_config_id", text("created_at DESC"), text("id DESC")),
        Index("ix_tasks_assignee", "assignee", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_tasks_text_trgm",
            "title",
            "description",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops", "description": "gin_trgm_ops"},
        ),
        Index(
            "ix_tasks_title_alike",
            "title",
            postgresql_using="gist",
            postgresql_ops={"title": "gist_trgm_ops(siglen=64)"},
        ),
    )

    id: UUID = id_column()
    title: str = text_column()
    description: str = text_column("")
    status: TaskStatus = word_column("open")
    priority: Priority = word_column("medium")
    category: Category = word_column("feature")
    tags: list[str] = list_column()
    assignee: str | None = text_column(nullable=True)
    due_date: date | None = Field(default=None)
    project_config_id: UUID | None = Field(default=None, foreign_key="project_configs.id")
    parent_task_id: UUID | None = Field(default=None, foreign_key="tasks.id", index=True)
    incident_count: int = count_column(1)
    external_system: str | None = text_column(nullable=True)
    external_id: str | None = text_column(nullable=True)
    external_url: str | None = text_column(nullable=True)
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()
    version: int = count_column(1)
