"""The audit: written in the transaction of the change, read newest first, never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, func, text, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.engine import Database
from models.actor import Actor
from models.audit import AuditEntry
from models.values import EntityType

Values = Mapping[str, object]

_PURGED_AT_ONCE = 10_000


def write(
    session: AsyncSession,
    actor: Actor,
    action: str,
    entity_type: EntityType,
    entity_id: UUID,
    *,
    before: Values | None,
    after: Values | None,
) -> None:
    """Add an entry to the caller's transaction."""
    session.add(entry(actor, action, entity_type, entity_id, before=before, after=after))


def entry(
    actor: Actor, action: str, entity_type: EntityType, entity_id: UUID, *, before: Values | None, after: Values | None
) -> AuditEntry:
    """Of two sides only the fields that differ are kept."""
    if before is not None and after is not None:
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        before, after = _only(before, names), _only(after, names)
    return AuditEntry(
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        action=action,
        entity_type=entity_type,
        entity_id=entity_id,
        before=to_jsonable_python(before),
        after=to_jsonable_python(after),
    )


def _only(values: Values, names: Sequence[str]) -> Values:
    return {name: values[name] for name in names if name in values}


def conditions(
    *,
    entity_type: EntityType | None = None,
    entity_id: UUID | None = None,
    actor: str | None = None,
    action: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[ColumnElement[bool]]:
    """What a list is filtered by; None filters nothing. `actor` is an id or a name, the time is half-open."""
    wanted: list[ColumnElement[bool]] = []
    if entity_type is not None:
        wanted.append(col(AuditEntry.entity_type) == entity_type)
    if entity_id is not None:
        wanted.append(col(AuditEntry.entity_id) == entity_id)
    if actor is not None:
        wanted.append(col(AuditEntry.actor_id if _is_id(actor) else AuditEntry.actor_name) == actor)
    if action is not None:
        wanted.append(col(AuditEntry.action) == action)
    if start is not None:
        wanted.append(col(AuditEntry.at) >= start)
    if end is not None:
        wanted.append(col(AuditEntry.at) < end)
    return wanted


def _is_id(actor: str) -> bool:
    try:
        UUID(actor)
    except ValueError:
        return False
    return True


async def listed(
    session: AsyncSession,
    wanted: Sequence[ColumnElement[bool]],
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[AuditEntry]:
    """Entries, the newest first, after the (at, id) of the page before."""
    order = (col(AuditEntry.at), col(AuditEntry.id))
    query = select(AuditEntry).where(*wanted).order_by(*(column.desc() for column in order)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    return list((await session.exec(query)).all())


async def count(session: AsyncSession, wanted: Sequence[ColumnElement[bool]]) -> int:
    return (await session.exec(select(func.count()).select_from(AuditEntry).where(*wanted))).one()


async def count_before(database: Database, before: datetime) -> int:
    """How many entries are older than `before`."""
    async with database.transaction() as session:
        return await count(session, conditions(end=before))


async def purge(database: Database, before: datetime) -> int:
    """Remove the entries older than `before`, some at a time, and say how many. The one way to remove any: the
    database lets a transaction delete what is older than the moment that it has set."""
    removed = 0
    while True:
        async with database.transaction() as session:
            await session.execute(
                text("SELECT set_config('gleaner.audit_purge_before', :before, true)"), {"before": before.isoformat()}
            )
            gone = await session.execute(
                text(
                    "DELETE FROM audit_log WHERE id = ANY (ARRAY("
                    "SELECT id FROM audit_log WHERE at < :before ORDER BY at LIMIT :limit)) RETURNING 1"
                ),
                {"before": before, "limit": _PURGED_AT_ONCE},
            )
            found = len(gone.all())
        removed += found
        if found < _PURGED_AT_ONCE:
            return removed
