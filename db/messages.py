"""Messages in the database: what a row can hold, and writing many at once."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.conversation import IncomingMessage
from models.source import Source
from models.values import SourceType

MAX_CONTENT_CHARS = 100_000
MAX_NAME_CHARS = 200
MAX_ID_CHARS = 400
"""With `MAX_NAME_CHARS` this keeps the key, at four bytes a character, under the 2,704 bytes of an index entry."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


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
    if not _is_storable(message.content):
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
    if not _is_storable(value):
        return Flaw("invalid_text", f"{field} holds a NUL character or a lone surrogate")
    return None


def _is_storable(value: str) -> bool:
    if value.isascii():
        return "\0" not in value
    return _UNSTORABLE.search(value) is None


_INCOMING = """
    incoming AS MATERIALIZED (
        SELECT uuidv7() AS id, given.*
        FROM unnest(
            CAST(:channel AS text[]), CAST(:external_id AS text[]), CAST(:author AS text[]),
            CAST(:sent_at AS timestamptz[]), CAST(:content AS text[]), CAST(:thread_id AS text[]),
            CAST(:reply_to AS text[]), CAST(:is_bot AS boolean[]), CAST(:is_system AS boolean[])
        ) AS given (channel, external_id, author, sent_at, content, thread_id, reply_to, is_bot, is_system)
    )
"""
_COLUMNS = ("channel", "external_id", "author", "sent_at", "content", "thread_id", "reply_to", "is_bot", "is_system")
_DIFFERS = """
    (m.author, m.sent_at, m.content, m.thread_id, m.reply_to, m.is_bot, m.is_system) IS DISTINCT FROM
    ({0}.author, {0}.sent_at, {0}.content, {0}.thread_id, {0}.reply_to, {0}.is_bot, {0}.is_system)
"""
_BESIDE_STORED = """
    incoming AS i LEFT JOIN messages AS m
    ON m.source_id = :source_id AND m.channel = i.channel AND m.external_id = i.external_id
"""

# The ids are made in the order given, because messages of one moment are read in the order of their ids; the rows are
# written in the order of their keys, so that parallel imports wait for each other and never in a circle. What is
# stored already and the same is left out before, because even an update that changes nothing locks its row.
_UPSERT = text(f"""
    WITH {_INCOMING},
    fresh AS (
        SELECT i.* FROM {_BESIDE_STORED} WHERE m.id IS NULL OR {_DIFFERS.format("i")}
    ),
    written AS (
        INSERT INTO messages AS m (id, source_id, {", ".join(_COLUMNS)})
        SELECT id, :source_id, {", ".join(_COLUMNS)} FROM fresh
        ORDER BY channel COLLATE "C", external_id COLLATE "C"
        ON CONFLICT (source_id, channel, external_id) DO UPDATE SET
            author = excluded.author, sent_at = excluded.sent_at, content = excluded.content,
            thread_id = excluded.thread_id, reply_to = excluded.reply_to,
            is_bot = excluded.is_bot, is_system = excluded.is_system, updated_at = now()
        WHERE {_DIFFERS.format("excluded")}
        RETURNING xmax = 0 AS inserted
    )
    SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM written
""")  # noqa: S608 - put together from the constants above

_COMPARE = text(f"""
    WITH {_INCOMING}
    SELECT count(*) FILTER (WHERE m.id IS NULL), count(*) FILTER (WHERE m.id IS NOT NULL AND {_DIFFERS.format("i")})
    FROM {_BESIDE_STORED}
""")  # noqa: S608 - put together from the constants above


async def source_named(session: AsyncSession, name: str, source_type: SourceType) -> UUID:
    """The id of the source of that name, which is made with the type given if there is none yet."""
    found = await find_source(session, name)
    while found is None:
        # Where another transaction is making the same source, this waits for its end and does nothing.
        await session.execute(
            text("INSERT INTO sources (name, type) VALUES (:name, :type) ON CONFLICT (name) DO NOTHING"),
            {"name": name, "type": source_type},
        )
        found = await find_source(session, name)
    return found


async def find_source(session: AsyncSession, name: str) -> UUID | None:
    return (await session.exec(select(Source.id).where(col(Source.name) == name))).one_or_none()


async def store(
    session: AsyncSession, by_source: Mapping[str, Sequence[IncomingMessage]], *, source_type: SourceType
) -> StoredCounts:
    """Inserts or updates messages by the names of their sources, making the sources that are missing.

    A key that stands twice counts twice and its last message wins. Each message must be free of flaws (`flaw_of`).
    """
    counts = StoredCounts()
    # Every transaction takes the sources in one order, or two of them could wait for each other.
    for name in sorted(by_source):
        counts += await upsert(session, await source_named(session, name, source_type), by_source[name])
    return counts


async def upsert(session: AsyncSession, source_id: UUID, messages: Sequence[IncomingMessage]) -> StoredCounts:
    """Inserts the new ones and updates those that differ, in one statement; see `store`."""
    return await _count(session, source_id, messages, writing=True)


async def compare(session: AsyncSession, source_id: UUID | None, messages: Sequence[IncomingMessage]) -> StoredCounts:
    """What `upsert` would do. None is a source that doesn't exist yet."""
    return await _count(session, source_id, messages, writing=False)


async def _count(
    session: AsyncSession, source_id: UUID | None, messages: Sequence[IncomingMessage], *, writing: bool
) -> StoredCounts:
    latest, earlier = _latest(messages)
    if not latest:
        return earlier
    arrays = dict(zip(_COLUMNS, zip(*map(_row, latest), strict=True), strict=True))
    parameters = {name: list(values) for name, values in arrays.items()}
    result = await session.execute(_UPSERT if writing else _COMPARE, {"source_id": source_id, **parameters})
    inserted, updated = result.one()
    return earlier + StoredCounts(inserted, updated, len(latest) - inserted - updated)


def _row(message: IncomingMessage) -> tuple[object, ...]:
    return (
        message.channel,
        message.external_id,
        message.author,
        message.sent_at,
        message.content,
        message.thread_id,
        message.reply_to,
        message.is_bot,
        message.is_system,
    )


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
