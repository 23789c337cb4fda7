"""Finding messages."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from errors import NotFound
from models.message import Message
from models.source import Source


@dataclass(frozen=True)
class Wanted:
    """What is looked for; None looks for nothing in particular. The time is half-open, `text` stands anywhere in the
    content, in any case."""

    source: str | None = None
    channel: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    text: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if self.source is not None:
            named = select(Source.id).where(col(Source.name) == self.source).scalar_subquery()
            conditions.append(col(Message.source_id) == named)
        if self.channel is not None:
            conditions.append(col(Message.channel) == self.channel)
        if self.start is not None:
            conditions.append(col(Message.sent_at) >= self.start)
        if self.end is not None:
            conditions.append(col(Message.sent_at) < self.end)
        if self.text is not None:
            conditions.append(col(Message.content).icontains(self.text, autoescape=True))
        return conditions


async def listed(
    session: AsyncSession, wanted: Wanted, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[Message, str]]:
    """Messages with their sources' names, the newest first, after the (sent_at, id) of the page before."""
    order = (col(Message.sent_at), col(Message.id))
    query = (
        select(Message, Source.name)
        .join(Source, col(Source.id) == col(Message.source_id))
        .where(*wanted.conditions())
        .order_by(*(column.desc() for column in order))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*order) < after)
    return list((await session.exec(query)).all())


async def get(session: AsyncSession, message_id: UUID) -> tuple[Message, str]:
    """The message with its source's name; 404 `message_not_found`."""
    query = select(Message, Source.name).join(Source, col(Source.id) == col(Message.source_id))
    found = (await session.exec(query.where(col(Message.id) == message_id))).one_or_none()
    if found is None:
        raise NotFound("message_not_found", f"There is no message {message_id}.")
    return found


async def count(session: AsyncSession, wanted: Wanted) -> int:
    query = select(func.count()).select_from(Message).where(*wanted.conditions())
    return (await session.exec(query)).one()
