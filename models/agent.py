"""Who analyses: providers, agents, task configurations and their assignments."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.base import one_of
from models.columns import (
    flag_column,
    id_column,
    money_column,
    object_column,
    stamp_column,
    text_column,
    time_column,
    word_column,
)
from models.values import OutputMode, ProviderType, ValidationStatus


class LLMProvider(SQLModel, table=True):
    """A model server and how to reach it. Prices are US dollars per million tokens."""

    __tablename__ = "llm_providers"
    __table_args__ = (
        one_of("llm_providers", "type", ProviderType),
        one_of("llm_providers", "output_mode", OutputMode),
        one_of("llm_providers", "validation_status", ValidationStatus),
        CheckConstraint("request_timeout_seconds > 0", name="ck_llm_providers_request_timeout_seconds"),
    )

    id: UUID = id_column()
    name: str = text_column(unique=True)
    type: ProviderType = word_column()
    base_url: str | None = text_column(nullable=True)
    api_key_encrypted: bytes | None = Field(default=None)
    output_mode: OutputMode = word_column("auto")
    is_active: bool = flag_column(True)
    max_requests_per_minute: int | None = Field(default=None)
    max_tokens_per_minute: int | None = Field(default=None)
    max_concurrency: int | None = Field(default=None)
    input_price_per_mtok: Decimal | None = money_column()
    output_price_per_mtok: Decimal | None = money_column()
    request_timeout_seconds: float = Field(default=60.0, sa_column_kwargs={"server_default": text("60")})
    validation_status: ValidationStatus = word_column("pending")
    validation_error: str | None = text_column(nullable=True)
    validated_at: datetime | None = time_column()
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()


class AgentConfig(SQLModel, table=True):
    """An agent: provider, model and prompt."""

    __tablename__ = "agent_configs"
    __table_args__ = (
        CheckConstraint("temperature BETWEEN 0 AND 2", name="ck_agent_configs_temperature"),
        CheckConstraint("max_tokens > 0", name="ck_agent_configs_max_tokens"),
    )

    id: UUID = id_column()
    name: str = text_column(unique=True)
    description: str | None = text_column(nullable=True)
    provider_id: UUID = Field(foreign_key="llm_providers.id", index=True)
    model_name: str = text_column()
    system_prompt: str = text_column("")
    temperature: float | None = Field(default=None)
    max_tokens: int | None = Field(default=None)
    is_active: bool = flag_column(True)
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()


class TaskConfig(SQLModel, table=True):
    """What an agent is asked for."""

    __tablename__ = "task_configs"

    id: UUID = id_column()
    name: str = text_column(unique=True)
    description: str | None = text_column(nullable=True)
    response_schema: dict[str, Any] | None = object_column(nullable=True)
    is_active: bool = flag_column(True)
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()


class AgentTaskAssignment(SQLModel, table=True):
    """An agent given a task configuration; what a run is started with."""

    __tablename__ = "agent_task_assignments"
    __table_args__ = (UniqueConstraint("agent_id", "task_id", name="uq_agent_task_assignments"),)

    id: UUID = id_column()
    agent_id: UUID = Field(foreign_key="agent_configs.id")
    task_id: UUID = Field(foreign_key="task_configs.id", index=True)
    is_active: bool = flag_column(True)
    assigned_at: datetime = stamp_column()
