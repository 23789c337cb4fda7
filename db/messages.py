"""Messages in the database: what a row can hold, and writing many at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CollectionAggregate, CursorResult, Text, TextClause, any_, literal, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import audit
from models.actor import SYSTEM, Actor
from models.conversation import IncomingMessage
from models.message import Message
from models.source import Source
from models.texts import is_storable
from models.values import SourceType

MAX_CONTENT_CHARS = 100_000
MAX_NAME_CHARS = 200
MAX_ID_CHARS = 400
"""With `MAX_NAME_CHARS` this keeps the key, at four bytes a character, under the 2,704 bytes of an index entry."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a message can't be stored: `invalid_text`, `empty_content`, `empty_field`, `content_too_long`,
    `field_too_long`. `detail` names the field and never quotes the text."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """What became of the messages given; the three add up to their number."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "StoredCounts") -> "StoredCounts":
        return StoredCounts(
            self.inserted + other.inserted, self.updated + other.updated, self.unchanged + other.unchanged
        )


def flaw_of(message: IncomingMessage) -> Flaw | None:
    """The first reason why the message can't be stored, or None."""
    if len(message.content) > MAX_CONTENT_CHARS:
        return Flaw("content_too_long", f"content is longer than {MAX_CONTENT_CHARS} characters")
    if not message.content or message.content.isspace():
        return Flaw("empty_content", "content is empty")
    if not is_storable(message.content):
        return Flaw("invalid_text", "content holds a NUL character or a lone surrogate")
    return (
        _field_flaw("channel", message.channel, MAX_NAME_CHARS)
        or _field_flaw("external_id", message.external_id, MAX_ID_CHARS)
        or _field_flaw("author", message.author, MAX_NAME_CHARS)
        or (message.thread_id is not None and _field_flaw("thread_id", message.thread_id, MAX_ID_CHARS))
        or (message.reply_to is not None and _field_flaw("reply_to", message.reply_to, MAX_ID_CHARS))
        or None
    )


def source_flaw(name: str) -> Flaw | None:
    """The reason why a source can't have this name, or None."""
    return _field_flaw("source", name, MAX_NAME_CHARS)


def _field_flaw(field: str, value: str, limit: int) -> Flaw | None:
    if not value or value.isspace():
        return Flaw("empty_field", f"{field} is empty")
    if len(value) > limit:
        return Flaw("field_too_long", f"{field} is longer than {limit} characters")
    if not is_storable(value):
        return Flaw("invalid_text", f"{field} holds a NUL character or a lone surrogate")
    return None


_COLUMNS = (
    *("channel", "external_id", "author", "sent_at", "content"),
    *("thread_id", "reply_to", "is_bot", "is_system", "utc_offset"),
)
_values = attrgetter(*_COLUMNS)

# Who learns of a writer's clock later has no new message: nothing was edited.
_SAYS_ANOTHER_THING = """
    (m.author, m.sent_at, m.content, m.thread_id, m.reply_to, m.is_bot, m.is_system) IS DISTINCT FROM (
        excluded.author, excluded.sent_at, excluded.content, excluded.thread_id, excluded.reply_to,
        excluded.is_bot, excluded.is_system
    )
"""

# The ids are made in the order given, because messages of one moment are read in the order of their ids; the rows are
# written in the order of their keys, so that parallel imports wait for each other and never in a circle. There is no
# join with what is stored: while the table is young and unanalysed the planner takes the wrong index for it, and each
# message costs a scan of its channel.
_UPSERT = text(f"""
    WITH incoming AS MATERIALIZED (
        SELECT uuidv7() AS id, given.*
        FROM unnest(
            CAST(:channel AS text[]), CAST(:external_id AS text[]), CAST(:author AS text[]),
            CAST(:sent_at AS timestamptz[]), CAST(:content AS text[]), CAST(:thread_id AS text[]),
            CAST(:reply_to AS text[]), CAST(:is_bot AS boolean[]), CAST(:is_system AS boolean[]),
            CAST(:utc_offset AS smallint[])
        ) AS given ({", ".join(_COLUMNS)})
    ),
    written AS (
        INSERT INTO messages AS m (id, source_id, {", ".join(_COLUMNS)})
        SELECT id, CAST(:source_id AS uuid), {", ".join(_COLUMNS)} FROM incoming
        ORDER BY channel COLLATE "C", external_id COLLATE "C"
        ON CONFLICT (source_id, channel, external_id) DO UPDATE SET
            author = excluded.author, sent_at = excluded.sent_at, content = excluded.content,
            thread_id = excluded.thread_id, reply_to = excluded.reply_to,
            is_bot = excluded.is_bot, is_system = excluded.is_system, utc_offset = excluded.utc_offset,
            updated_at = CASE WHEN {_SAYS_ANOTHER_THING} THEN now() ELSE m.updated_at END
        WHERE m.utc_offset <> excluded.utc_offset OR {_SAYS_ANOTHER_THING}
        RETURNING xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS updated FROM written
""")  # noqa: S608 - put together from the constants above

_MAKE_SOURCE = text("INSERT INTO sources (name, type) VALUES (:name, :type) ON CONFLICT (name) DO NOTHING RETURNING id")


async def source_named(session: AsyncSession, name: str, source_type: SourceType, actor: Actor = SYSTEM) -> UUID:
    """The id of the source of that name, which is made with the type given if there is none yet."""
    found = await find_source(session, name)
    while found is None:
        # Where another transaction is making the same source, this waits for its end and does nothing.
        values: dict[str, object] = {"name": name, "type": source_type}
        found = (await _execute(session, _MAKE_SOURCE, values)).scalar_one_or_none()
        if found is not None:
            audit.write(session, actor, "create", "source", found, before=None, after=values)
        else:
            found = await find_source(session, name)
    return found


async def find_source(session: AsyncSession, name: str) -> UUID | None:
    return (await session.exec(select(Source.id).where(col(Source.name) == name))).one_or_none()


async def store(
    session: AsyncSession,
    by_source: Mapping[str, Sequence[IncomingMessage]],
    *,
    source_type: SourceType,
    actor: Actor = SYSTEM,
) -> StoredCounts:
    """Inserts or updates messages by the names of their sources; a source that is missing is made by the actor.

    A key that stands twice counts twice and its last message wins. Each message must be free of flaws (`flaw_of`).
    """
    counts = StoredCounts()
    # Every transaction takes the sources in one order, or two of them could wait for each other.
    for name in sorted(by_source):
        counts += await upsert(session, await source_named(session, name, source_type, actor), by_source[name])
    return counts


async def upsert(session: AsyncSession, source_id: UUID, messages: Sequence[IncomingMessage]) -> StoredCounts:
    """Inserts the new ones and updates those that differ, in one statement; see `store`."""
    latest, earlier = _latest(messages)
    if not latest:
        return earlier
    columns = zip(*map(_values, latest), strict=True)
    arrays = {name: list(column) for name, column in zip(_COLUMNS, columns, strict=True)}
    row = (await _execute(session, _UPSERT, {"source_id": source_id, **arrays})).one()
    return earlier + StoredCounts(row.inserted, row.updated, len(latest) - row.inserted - row.updated)


async def compare(session: AsyncSession, source_id: UUID | None, messages: Sequence[IncomingMessage]) -> StoredCounts:
    """What `upsert` would do. None is a source that doesn't exist yet."""
    latest, earlier = _latest(messages)
    stored = await _stored(session, source_id, latest)
    inserted = sum((message.channel, message.external_id) not in stored for message in latest)
    unchanged = sum(stored.get((message.channel, message.external_id)) == message for message in latest)
    return earlier + StoredCounts(inserted, len(latest) - inserted - unchanged, unchanged)


async def _stored(
    session: AsyncSession, source_id: UUID | None, messages: Sequence[IncomingMessage]
) -> dict[tuple[str, str], IncomingMessage]:
    """What is stored of the messages that have one of these ids in one of these channels, by channel and id."""
    query = select(Message).where(
        col(Message.source_id) == source_id,
        col(Message.channel) == _any_of({message.channel for message in messages}),
        col(Message.external_id) == _any_of({message.external_id for message in messages}),
    )
    rows = await session.exec(query)
    return {(row.channel, row.external_id): _incoming(row) for row in rows}


def _any_of(words: set[str]) -> CollectionAggregate[bool]:
    return any_(literal(sorted(words), ARRAY(Text)))


def _incoming(row: Message) -> IncomingMessage:
    return IncomingMessage(*_values(row))


async def _execute(session: AsyncSession, statement: TextClause, parameters: dict[str, object]) -> CursorResult[Any]:
    return await (await session.connection()).execute(statement, parameters)


def _latest(messages: Iterable[IncomingMessage]) -> tuple[list[IncomingMessage], StoredCounts]:
    """The last message of each key, and the counts of those before it as if they had been given one by one."""
    by_key: dict[tuple[str, str], IncomingMessage] = {}
    updated = unchanged = 0
    for message in messages:
        key = message.channel, message.external_id
        before = by_key.get(key)
        if before is not None:
            updated += before != message
            unchanged += before == message
        by_key[key] = message
    return list(by_key.values()), StoredCounts(0, updated, unchanged)
