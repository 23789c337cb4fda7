"""What a row of messages can hold, and writing many at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlmodel import col, select

from db.engine import Database
from db.messages import (
    MAX_CONTENT_CHARS,
    StoredCounts,
    compare,
    find_source,
    flaw_of,
    source_flaw,
    source_named,
    store,
    upsert,
)
from models.actor import LOCAL
from models.audit import AuditEntry
from models.conversation import IncomingMessage
from models.message import Message
from models.source import Source

NINE = datetime(2026, 3, 10, 9, tzinfo=UTC)
ONE = IncomingMessage(channel="general", external_id="1", author="ann", sent_at=NINE, content="please fix the login")


def numbered(count: int) -> list[IncomingMessage]:
    return [replace(ONE, external_id=str(n), sent_at=NINE + timedelta(seconds=n // 10)) for n in range(count)]


async def put(database: Database, messages: Sequence[IncomingMessage], source: str = "team") -> StoredCounts:
    async with database.transaction() as session:
        return await store(session, {source: messages}, source_type="api")


async def rows(database: Database) -> list[Message]:
    async with database.transaction() as session:
        return list((await session.exec(select(Message).order_by(col(Message.sent_at), col(Message.id)))).all())


async def test_new_messages_are_inserted_with_all_their_fields(database: Database) -> None:
    message = replace(ONE, thread_id="t", reply_to="r", is_bot=True, is_system=True)
    assert await put(database, [message]) == StoredCounts(inserted=1)
    [row] = await rows(database)
    stored = {name: getattr(row, name) for name in IncomingMessage.__slots__}
    assert stored == {name: getattr(message, name) for name in IncomingMessage.__slots__}


async def test_the_same_messages_again_change_nothing(database: Database) -> None:
    await put(database, numbered(50))
    before = await rows(database)
    assert await put(database, numbered(50)) == StoredCounts(unchanged=50)
    assert await rows(database) == before


@pytest.mark.parametrize(
    "edited",
    [
        replace(ONE, content="please fix the logout"),
        replace(ONE, author="bob"),
        replace(ONE, sent_at=NINE + timedelta(microseconds=1)),
        replace(ONE, thread_id="t"),
        replace(ONE, reply_to="r"),
        replace(ONE, is_bot=True),
        replace(ONE, is_system=True),
    ],
)
async def test_an_edited_message_is_updated_in_its_row(database: Database, edited: IncomingMessage) -> None:
    await put(database, [ONE])
    [before] = await rows(database)
    assert await put(database, [edited]) == StoredCounts(updated=1)
    [after] = await rows(database)
    assert after.id == before.id
    assert after.created_at == before.created_at
    assert after.updated_at > before.updated_at
    assert all(getattr(after, name) == getattr(edited, name) for name in IncomingMessage.__slots__)


async def test_a_key_that_stands_twice_counts_twice_and_its_last_message_wins(database: Database) -> None:
    edited = replace(ONE, content="edited")
    assert await put(database, [ONE, ONE, edited]) == StoredCounts(inserted=1, updated=1, unchanged=1)
    assert [row.content for row in await rows(database)] == ["edited"]


async def test_a_key_is_source_and_channel_and_id(database: Database) -> None:
    assert await put(database, [ONE, replace(ONE, channel="ops")]) == StoredCounts(inserted=2)
    assert await put(database, [ONE], source="other team") == StoredCounts(inserted=1)
    assert len(await rows(database)) == 3


async def test_messages_of_one_moment_keep_the_order_in_which_they_came(database: Database) -> None:
    ids = ["zebra", "9", "ant", "é", "10", "Z"]
    await put(database, [replace(ONE, external_id=external_id) for external_id in ids])
    assert [row.external_id for row in await rows(database)] == ids


async def test_nothing_at_all_can_be_stored(database: Database) -> None:
    assert await put(database, []) == StoredCounts()


async def test_the_longest_fields_fit_the_index(database: Database) -> None:
    longest = replace(ONE, channel="😀" * 200, external_id="😀" * 400, content="😀" * MAX_CONTENT_CHARS)
    assert flaw_of(longest) is None
    assert await put(database, [longest]) == StoredCounts(inserted=1)


async def test_comparing_tells_what_storing_would_do_and_writes_nothing(database: Database) -> None:
    await put(database, [ONE])
    given = [replace(ONE, content="edited"), *numbered(4)[2:], replace(ONE, external_id="2")]
    async with database.transaction() as session:
        known = await compare(session, await find_source(session, "team"), given)
        unknown = await compare(session, await find_source(session, "nobody"), given)
    assert known == StoredCounts(inserted=2, updated=1, unchanged=1)
    assert unknown == StoredCounts(inserted=3, unchanged=1)
    assert [row.content for row in await rows(database)] == [ONE.content]


async def test_parallel_stores_of_the_same_messages_in_any_order_give_each_once(database: Database) -> None:
    messages = numbered(2000)
    orders = [messages, messages[::-1], messages[1000:] + messages[:1000], messages[::2] + messages[1::2]]
    counts = await asyncio.gather(*(put(database, order) for order in orders))
    assert sum(count.inserted for count in counts) == 2000
    assert all(count.inserted + count.unchanged == 2000 for count in counts)
    assert len(await rows(database)) == 2000


async def test_parallel_edits_of_the_same_messages_do_not_deadlock(database: Database) -> None:
    await put(database, numbered(1000))
    edits = [[replace(m, content=f"edit {n}") for m in numbered(1000)][:: -1 if n % 2 else 1] for n in range(6)]
    counts = await asyncio.gather(*(put(database, edit) for edit in edits))
    assert sum(count.updated for count in counts) == 6000
    assert len({row.content for row in await rows(database)}) == 1


async def test_parallel_stores_over_several_sources_do_not_deadlock(database: Database) -> None:
    names = [f"source {n}" for n in range(8)]

    async def put_all(order: list[str]) -> StoredCounts:
        async with database.transaction() as session:
            return await store(session, {name: numbered(20) for name in order}, source_type="api")

    counts = await asyncio.gather(*(put_all(names[n:] + names[:n]) for n in range(8)))
    assert sum(count.inserted for count in counts) == 160


async def test_a_source_is_made_once_however_many_ask_for_it(database: Database) -> None:
    async def ask() -> UUID:
        async with database.transaction() as session:
            return await source_named(session, "team", "irc", LOCAL)

    ids = await asyncio.gather(*(ask() for _ in range(20)))
    assert len(set(ids)) == 1
    async with database.transaction() as session:
        [source] = (await session.exec(select(Source))).all()
        [entry] = (await session.exec(select(AuditEntry))).all()
    assert (source.id, source.name, source.type) == (ids[0], "team", "irc")
    assert (entry.action, entry.entity_id, entry.actor_name) == ("create", source.id, "local")


async def test_an_existing_source_keeps_its_type(database: Database) -> None:
    async with database.transaction() as session:
        first = await source_named(session, "team", "irc")
        assert await source_named(session, "team", "slack") == first
        assert (await session.get_one(Source, first)).type == "irc"


async def test_a_few_messages_among_many_are_found_by_their_key(database: Database) -> None:
    await put(database, numbered(20_000))
    async with database.transaction() as session:
        source_id = await source_named(session, "team", "api")
        counts = await upsert(session, source_id, [*numbered(3), replace(ONE, external_id="new")])
    assert counts == StoredCounts(inserted=1, unchanged=3)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (replace(ONE, content="a\0b"), "invalid_text"),
        (replace(ONE, content="lone \ud800"), "invalid_text"),
        (replace(ONE, content="é\0"), "invalid_text"),
        (replace(ONE, author="\udfff"), "invalid_text"),
        (replace(ONE, thread_id="\0"), "invalid_text"),
        (replace(ONE, content="x" * (MAX_CONTENT_CHARS + 1)), "content_too_long"),
        (replace(ONE, content=""), "empty_content"),
        (replace(ONE, content=" \n\t"), "empty_content"),
        (replace(ONE, channel=""), "empty_field"),
        (replace(ONE, external_id=" "), "empty_field"),
        (replace(ONE, reply_to=""), "empty_field"),
        (replace(ONE, channel="x" * 201), "field_too_long"),
        (replace(ONE, external_id="x" * 401), "field_too_long"),
    ],
)
def test_what_can_not_be_stored_has_a_flaw(message: IncomingMessage, code: str) -> None:
    flaw = flaw_of(message)
    assert flaw is not None
    assert flaw.code == code


@pytest.mark.parametrize("content", ["👍", "ok", "é", "x" * MAX_CONTENT_CHARS, "\x01\x7f\ufffd"])
def test_any_other_text_can_be_stored(content: str) -> None:
    assert flaw_of(replace(ONE, content=content)) is None


def test_a_source_needs_a_name() -> None:
    assert source_flaw("team") is None
    assert source_flaw("") is not None
    assert source_flaw("x" * 201) is not None
