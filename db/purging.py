"""What has become too old, removed for good: some rows at a time, and never what somebody still needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from db import audit
from db.engine import Database
from models.base import now

AT_ONCE = 5_000
_OVER = "('closed', 'cancelled')"


@dataclass(frozen=True)
class Kept:
    """Rows older than these moments go; None keeps them all."""

    answers: datetime | None = None
    runs: datetime | None = None
    messages: datetime | None = None
    audit: datetime | None = None


@dataclass(frozen=True)
class _Part:
    """Rows of one table. `condition` may name `:before`."""

    name: str
    table: str
    condition: str
    before: datetime


def _parts(kept: Kept) -> Iterator[_Part]:
    if kept.answers is not None:
        # An answer that a batch still has to be saved from was paid for.
        needed = (
            "SELECT FROM analysis_batches AS batch WHERE batch.fingerprint = model_responses.fingerprint"
            " AND batch.status IN ('waiting', 'running')"
        )
        yield _Part("answers", "model_responses", f"created_at < :before AND NOT EXISTS ({needed})", kept.answers)
    if kept.runs is not None:
        yield from _of_runs(kept.runs)
    if kept.messages is not None:
        yield _Part("messages", "messages", _MESSAGES, kept.messages)
    yield _Part("idempotency_keys", "idempotency_keys", "created_at < :before", now() - timedelta(days=1))
    yield _Part("worker_heartbeats", "worker_heartbeats", "seen_at < :before", now() - timedelta(days=1))
    yield _Part("provider_leases", "provider_leases", "expires_at < :before", now() - timedelta(hours=1))


def _of_runs(before: datetime) -> Iterator[_Part]:
    """A run from which tasks came stays with its proposals, since the tasks refer to them, and so does one with a
    proposal that others are merged into; only its details go."""
    over = f"status IN {_OVER} AND last_event_at < :before"
    reported = "SELECT FROM task_proposals WHERE run_id = analysis_runs.id AND status IN ('approved', 'merged')"
    merged_into = (
        "SELECT FROM task_proposals AS whole JOIN task_proposals AS part ON part.merged_into_id = whole.id"
        " WHERE whole.run_id = analysis_runs.id"
    )
    stays = f"(EXISTS ({reported}) OR EXISTS ({merged_into}))"
    yield _Part("runs", "analysis_runs", f"{over} AND NOT {stays}", before)
    staying = f"SELECT id FROM analysis_runs WHERE {over} AND {stays}"  # noqa: S608 - constants
    for name, table in (
        ("events", "run_events"),
        ("calls", "model_calls"),
        ("batches", "analysis_batches"),
        ("window_chunks", "run_message_chunks"),
        ("turns", "provider_turns"),
    ):
        yield _Part(name, table, f"run_id IN ({staying})", before)


# What a proposal rests on stays, and what a run that isn't over looks at.
_MESSAGES = f"""
    sent_at < :before
    AND NOT EXISTS (
        SELECT FROM task_proposals AS proposal
        WHERE proposal.source_message_ids @> ARRAY[messages.id] AND proposal.status NOT IN ('rejected', 'suppressed'))
    AND NOT EXISTS (
        SELECT FROM analysis_runs AS run WHERE run.status NOT IN {_OVER}
        AND messages.sent_at >= run.time_window_start AND messages.sent_at < run.time_window_end)
"""  # noqa: S608 - constants


async def purge(database: Database, kept: Kept, *, dry_run: bool = False) -> dict[str, int]:
    """Remove what is too old, and what is of no use any more in any case; returns how many rows of each kind went, or
    with `dry_run` would go (rows that go with their run are counted with it only)."""
    removed = {part.name: await _purge_part(database, part, dry_run=dry_run) for part in _parts(kept)}
    if kept.audit is not None:
        count = audit.count_before if dry_run else audit.purge
        removed["audit"] = await count(database, kept.audit)
    return removed


async def _purge_part(database: Database, part: _Part, *, dry_run: bool) -> int:
    if dry_run:
        async with database.transaction() as session:
            count = text(f"SELECT count(*) FROM {part.table} WHERE {part.condition}")  # noqa: S608 - of constants
            return int(await session.scalar(count, {"before": part.before}) or 0)
    delete = text(
        f"DELETE FROM {part.table} WHERE ctid = ANY (ARRAY("  # noqa: S608 - of constants
        f"SELECT ctid FROM {part.table} WHERE {part.condition} LIMIT :limit FOR UPDATE SKIP LOCKED)) RETURNING 1"
    )
    removed = 0
    while True:
        async with database.transaction() as session:
            gone = len((await session.execute(delete, {"before": part.before, "limit": AT_ONCE})).all())
        removed += gone
        if gone < AT_ONCE:
            return removed
