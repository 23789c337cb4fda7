"""What the service keeps about itself: keys, first replies, worker heartbeats, provider limits."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, Text
from sqlmodel import Field, SQLModel

from models.base import one_of
from models.columns import id_column, list_column, object_column, stamp_column, text_column, time_column
from models.values import FindingKind


class ApiKey(SQLModel, table=True):
    """A key of the API, stored as the SHA-256 of its 256 random bits; `prefix` is what a list shows."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("scopes <@ ARRAY['read', 'review', 'run', 'admin']::text[]", name="ck_api_keys_scopes"),
    )

    id: UUID = id_column()
    name: str = text_column()
    prefix: str = text_column()
    key_hash: bytes = Field(unique=True)
    scopes: list[str] = Field(sa_type=ARRAY(Text))
    created_at: datetime = stamp_column()
    expires_at: datetime | None = time_column()
    revoked_at: datetime | None = time_column()


class IdempotencyKey(SQLModel, table=True):
    """The first reply to a request that named an `Idempotency-Key`; `status` is null while it is under way."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created", "created_at"),)

    actor: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: bytes
    status: int | None = Field(default=None)
    body: dict[str, Any] | None = object_column(nullable=True)
    created_at: datetime = stamp_column()


class WorkerHeartbeat(SQLModel, table=True):
    """A worker process that says every few seconds that it lives."""

    __tablename__ = "worker_heartbeats"
    __table_args__ = (Index("ix_worker_heartbeats_seen", "seen_at"),)

    worker_id: str = Field(primary_key=True)
    task_queues: list[str] = list_column()
    started_at: datetime = stamp_column()
    seen_at: datetime = stamp_column()


class ProviderLimit(SQLModel, table=True):
    """The state of a provider's limiter: what is left of the minute's allowance, and until when it is closed."""

    __tablename__ = "provider_limits"

    provider_id: UUID = Field(foreign_key="llm_providers.id", primary_key=True, ondelete="CASCADE")
    requests_left: float
    tokens_left: float
    refilled_at: datetime = stamp_column()
    closed_until: datetime | None = time_column()


class SweepFinding(SQLModel, table=True):
    """A disagreement between rows and workflows; `repaired_at` is null while it stands."""

    __tablename__ = "sweep_findings"
    __table_args__ = (
        one_of("sweep_findings", "kind", FindingKind),
        Index("ix_sweep_findings_repaired", "repaired_at"),
    )

    kind: FindingKind = Field(sa_type=Text, primary_key=True)
    subject: str = Field(primary_key=True)
    run_id: UUID | None = Field(default=None, foreign_key="analysis_runs.id", index=True, ondelete="CASCADE")
    detail: str = text_column()
    found_at: datetime = stamp_column()
    seen_at: datetime = stamp_column()
    repaired_at: datetime | None = time_column()


class ProviderTurn(SQLModel, table=True):
    """When a provider's limiter last served a run, and until when the run is taken to wait: of those that wait, the one
    served least recently goes first. Places and requests have turns of their own."""

    __tablename__ = "provider_turns"

    provider_id: UUID = Field(foreign_key="llm_providers.id", primary_key=True, ondelete="CASCADE")
    run_id: UUID = Field(foreign_key="analysis_runs.id", primary_key=True, index=True, ondelete="CASCADE")
    place_served_at: datetime | None = time_column()
    place_wanted_until: datetime | None = time_column()
    request_served_at: datetime | None = time_column()
    request_wanted_until: datetime | None = time_column()


class ProviderLease(SQLModel, table=True):
    """One batch's model call under way: a place in the provider's concurrency, and the claim that keeps a second
    attempt at the batch from asking again while the first one lives. Renewed by its holder until it expires."""

    __tablename__ = "provider_leases"
    __table_args__ = (Index("ix_provider_leases_provider", "provider_id", "expires_at"),)

    run_id: UUID = Field(foreign_key="analysis_runs.id", primary_key=True, ondelete="CASCADE")
    batch_no: int = Field(primary_key=True)
    provider_id: UUID = Field(foreign_key="llm_providers.id", ondelete="CASCADE")
    holder: UUID
    expires_at: datetime = stamp_column()
