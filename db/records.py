"""Rows of configuration: each kind made, found, changed and removed in the same way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import func, tuple_
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import audit
from errors import Conflict, NotFound
from models.actor import Actor
from models.base import now
from models.values import EntityType


class Record(Protocol):
    """What every row of configuration has."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime

    def model_dump(self, *, exclude: set[str]) -> dict[str, Any]: ...


Row = TypeVar("Row", bound=Record)


@contextmanager
def conflicts(noun: str, *, duplicate: str = "duplicate_name") -> Iterator[None]:
    """Broken constraints as 409: `duplicate` where the row is there already, `in_use` where others refer to it."""
    try:
        yield
    except IntegrityError as error:
        violation = error.orig.__cause__ if error.orig else None
        if isinstance(violation, asyncpg.UniqueViolationError):
            raise Conflict(duplicate, f"There is already such a {noun}.") from error
        if isinstance(violation, asyncpg.ForeignKeyViolationError):
            raise Conflict("in_use", f"The {noun} is in use; switch it off instead, or remove what uses it.") from error
        raise


@dataclass(frozen=True)
class Records(Generic[Row]):
    """The rows of one table. `entity` is what the audit calls one, and what its 404 begins with."""

    table: type[Row]
    entity: EntityType

    @property
    def noun(self) -> str:
        """What a person calls one."""
        return self.entity.replace("_", " ")

    async def get(self, session: AsyncSession, row_id: UUID) -> Row:
        """404 `<noun>_not_found`."""
        return self._there(row_id, await session.get(self.table, row_id))

    async def listed(self, session: AsyncSession, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Row]:
        """The newest first, after the (created_at, id) of the page before."""
        order = (col(self.table.created_at), col(self.table.id))
        query = select(self.table).order_by(*(column.desc() for column in order)).limit(limit)
        if after is not None:
            query = query.where(tuple_(*order) < after)
        return list((await session.exec(query)).all())

    async def count(self, session: AsyncSession) -> int:
        return (await session.exec(select(func.count()).select_from(self.table))).one()

    async def add(self, session: AsyncSession, row: Row, actor: Actor) -> Row:
        """409 `duplicate_name`."""
        session.add(row)
        with conflicts(self.noun):
            await session.flush()
        audit.write(session, actor, "create", self.entity, row.id, before=None, after=_audited(row))
        return row

    async def lock(self, session: AsyncSession, row_id: UUID) -> Row:
        """The row, to be changed; 404."""
        return self._there(row_id, await session.get(self.table, row_id, with_for_update=True))

    async def change(self, session: AsyncSession, row: Row, values: Mapping[str, object], actor: Actor) -> Row:
        """Set what differs; 409 `duplicate_name`."""
        before = _audited(row)
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            row.updated_at = now()
            with conflicts(self.noun):
                await session.flush()
            after = _audited(row)
            if "api_key_encrypted" in changed and before["api_key"] == after["api_key"]:
                after["api_key"] = "replaced"
            audit.write(session, actor, "edit", self.entity, row.id, before=before, after=after)
        return row

    async def remove(self, session: AsyncSession, row_id: UUID, actor: Actor) -> None:
        """404; 409 `in_use`."""
        row = await self.lock(session, row_id)
        audit.write(session, actor, "delete", self.entity, row.id, before=_audited(row), after=None)
        await session.delete(row)
        with conflicts(self.noun):
            await session.flush()

    def _there(self, row_id: UUID, row: Row | None) -> Row:
        if row is None:
            raise NotFound(f"{self.entity}_not_found", f"There is no {self.noun} {row_id}.")
        return row


def _audited(row: Record) -> dict[str, Any]:
    """What the audit tells of a row: of a secret only whether there is one."""
    values = row.model_dump(exclude={"id", "created_at", "updated_at"})
    if "api_key_encrypted" in values:
        values["api_key"] = "none" if values.pop("api_key_encrypted") is None else "set"
    return values
