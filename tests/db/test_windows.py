"""A run's window: pinned once, filtered in the database, and previewed as it then happens."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from analysis.batches import Stretch
from analysis.prefilter import Rules, rules_for
from db import batches, plans, runs, window_previews, windows
from db.engine import Database
from db.messages import find_source
from models.conversation import IncomingMessage
from models.run import AnalysisRun, MessageChunk
from tests.support.builders import START, add_messages, add_run, fill_messages, store_messages

END = START + timedelta(days=1)
MOMENT = timedelta(microseconds=1)


async def pin(database: Database, run: AnalysisRun, *, chunks: int = 100) -> list[int]:
    """The sizes of at most so many next chunks, each pinned in a transaction of its own."""
    sizes: list[int] = []
    while len(sizes) < chunks:
        async with database.transaction() as session:
            chunk = await windows.pin_chunk(session, await runs.get(session, run.id))
        if chunk is None:
            break
        sizes.append(chunk.size)
    return sizes


async def chunks_of(database: Database, run: AnalysisRun) -> list[MessageChunk]:
    async with database.transaction() as session:
        query = select(MessageChunk).where(col(MessageChunk.run_id) == run.id).order_by(col(MessageChunk.chunk_no))
        return list((await session.exec(query)).all())


async def pinned(database: Database, run: AnalysisRun) -> list[UUID]:
    await pin(database, run)
    return [message_id for chunk in await chunks_of(database, run) for message_id in chunk.message_ids]


async def filter_all(database: Database, run: AnalysisRun, rules: Rules) -> tuple[int, dict[str, int]]:
    async with database.transaction() as session:
        for chunk_no in await windows.unfiltered_chunks(session, run.id):
            await windows.filter_chunk(session, run.id, chunk_no, rules)
        assert await windows.unfiltered_chunks(session, run.id) == []
        return await windows.filtered(session, run.id)


async def test_a_window_has_its_begin_and_not_its_end(database: Database) -> None:
    for moment in (START - MOMENT, START, END - MOMENT, END):
        await add_messages(database, f"at {moment}", start=moment)
    run = await add_run(database)
    ids = await pinned(database, run)
    async with database.transaction() as session:
        shown = await batches.messages(session, ids)
    assert [message.sent_at for message in shown] == [START, END - MOMENT]


async def test_messages_are_pinned_in_the_order_in_which_they_were_sent(database: Database) -> None:
    late = await add_messages(database, *"abc", start=START + timedelta(hours=5))
    same = await add_messages(database, *"def", start=START + timedelta(hours=2), gap_seconds=0)
    early = await add_messages(database, *"ghi", start=START)
    assert await pinned(database, await add_run(database)) == [*early, *same, *late]


async def test_an_empty_window_has_no_chunk(database: Database) -> None:
    run = await add_run(database)
    assert await pin(database, run) == []
    assert await chunks_of(database, run) == []
    assert await filter_all(database, run, rules_for("rules", [])) == (0, {})


async def test_a_window_takes_all_sources_channels_and_authors_unless_it_names_some(database: Database) -> None:
    ids: dict[tuple[str, str, str], UUID] = {}
    for source in ("team", "irc"):
        for channel in ("dev", "ops"):
            for author in ("ann", "bob"):
                at = START + timedelta(minutes=len(ids))
                [made] = await add_messages(database, "x", source=source, channel=channel, author=author, start=at)
                ids[source, channel, author] = made
    async with database.transaction() as session:
        teams = [str(await find_source(session, "team"))]

    async def found(filters: dict[str, Any]) -> set[tuple[str, str, str]]:
        run = await add_run(database, filters=filters)
        seen = set(await pinned(database, run))
        async with runs.locked(database, run.id) as held:
            held.move("cancel")  # makes way for the next one
        return {key for key, message_id in ids.items() if message_id in seen}

    assert await found({}) == set(ids)
    assert await found({"source_ids": [], "channels": [], "authors": []}) == set(ids)
    assert await found({"source_ids": teams}) == {key for key in ids if key[0] == "team"}
    assert await found({"channels": ["dev"]}) == {key for key in ids if key[1] == "dev"}
    assert await found({"authors": ["bob", "nobody"]}) == {key for key in ids if key[2] == "bob"}
    assert await found({"source_ids": teams, "channels": ["ops"], "authors": ["ann"]}) == {("team", "ops", "ann")}
    assert await found({"channels": ["nowhere"]}) == set()


async def test_a_large_window_is_pinned_in_chunks_and_goes_on_where_it_stopped(database: Database) -> None:
    await fill_messages(database, 25_000)
    run = await add_run(database)
    assert await pin(database, run, chunks=1) == [10_000]
    # A worker that comes later has only the database to go by.
    assert await pin(database, run) == [10_000, 5_000]
    assert await pin(database, run) == []
    chunks = await chunks_of(database, run)
    ids = [message_id for chunk in chunks for message_id in chunk.message_ids]
    assert [chunk.chunk_no for chunk in chunks] == [1, 2, 3]
    assert len(set(ids)) == 25_000
    async with database.transaction() as session:
        assert await windows.pinned(session, run.id) == 25_000
        shown = [message.sent_at for message in await batches.messages(session, [ids[0], ids[9_999], ids[10_000]])]
    assert shown == [START + timedelta(seconds=second) for second in (0, 9_999, 10_000)]


async def test_the_border_of_two_chunks_may_fall_into_one_moment(database: Database) -> None:
    await fill_messages(database, 9_999)
    same = await add_messages(database, *"abcd", start=START + timedelta(hours=12), gap_seconds=0)
    run = await add_run(database)
    assert (await pinned(database, run))[-4:] == same
    assert [len(chunk.message_ids) for chunk in await chunks_of(database, run)] == [10_000, 3]


async def test_what_comes_after_the_pinning_stays_out(database: Database) -> None:
    await fill_messages(database, 12_000)
    run = await add_run(database)
    await pin(database, run, chunks=1)
    await add_messages(database, "into the part that was pinned", start=START)
    [later] = await add_messages(database, "into the part that wasn't", start=END - MOMENT)
    await pin(database, run)
    await add_messages(database, "too late", start=START + timedelta(hours=20))
    kept, reasons = await filter_all(database, run, rules_for("off", []))
    assert (kept, reasons) == (12_001, {})
    assert (await chunks_of(database, run))[-1].message_ids[-1] == later


async def test_the_prefilter_keeps_the_order_and_counts_its_reasons_over_all_chunks(database: Database) -> None:
    await fill_messages(database, 10_000)
    await add_messages(database, "ok", "👍", "the last one to stay", start=START + timedelta(hours=10))
    run = await add_run(database)
    await pin(database, run)
    kept, reasons = await filter_all(database, run, rules_for("rules", []))
    assert (kept, reasons) == (10_001, {"no_text": 1, "too_short": 1})
    first, last = await chunks_of(database, run)
    assert first.kept_ids == first.message_ids
    assert last.kept_ids == last.message_ids[-1:]
    assert (first.filtered_by_reason, last.filtered_by_reason) == ({}, {"no_text": 1, "too_short": 1})


async def test_a_chunk_that_is_filtered_again_gives_the_same(database: Database) -> None:
    await add_messages(database, "ok", "please fix the login")
    run = await add_run(database)
    await pin(database, run)
    rules = rules_for("rules", [])
    before = await filter_all(database, run, rules)
    async with database.transaction() as session:
        await windows.filter_chunk(session, run.id, 1, rules)
        assert await windows.filtered(session, run.id) == before == (1, {"too_short": 1})


TEXTS = (
    "please fix the login page today",
    "the api is down",
    "ok",
    "👍",
    "[photo]",
    "thanks, yes",
    "@bob",
    "nothing in here for anybody",
    "оплата не проходит",
    "haha that was a good one",
)


def some_messages(count: int, *, seed: int = 7) -> list[IncomingMessage]:
    """Messages of two channels, some in threads whose replies come hours later, some by bots."""
    chance = random.Random(seed)
    made: list[IncomingMessage] = []
    for number in range(count):
        root = chance.choice(made) if made and chance.random() < 0.3 else None
        made.append(
            IncomingMessage(
                channel=root.channel if root else chance.choice(("dev", "ops")),
                external_id=str(number),
                author=chance.choice(("ann", "bob")),
                sent_at=START + timedelta(seconds=chance.randrange(86_400)),
                content=chance.choice(TEXTS),
                thread_id=root.thread_id or root.external_id if root else None,
                is_bot=chance.random() < 0.1,
            )
        )
    return made


async def test_a_preview_shows_what_a_run_then_does(database: Database) -> None:
    await store_messages(database, some_messages(400))
    await store_messages(database, some_messages(100, seed=8), source="irc")
    for day, (mode, keywords) in enumerate(
        (("rules", []), ("rules", ["api", "оплата"]), ("off", ["api"]), ("scored", []))
    ):
        run = await add_run(database, day=day / 4, days=1 / 4, filters={"channels": ["dev"]})
        rules = rules_for(mode, keywords)
        async with database.transaction() as session:
            seen = await window_previews.preview(session, run, rules)
            planned = [part async for part in window_previews.preview_stretches(session, run, rules, seen.unlikely)]
        total = sum(await pin(database, run))
        kept, reasons = await filter_all(database, run, rules)
        assert (seen.total, seen.kept, seen.filtered_by_reason) == (total, kept, reasons)
        assert planned == await stretches(database, run)
        ids = [one for part in planned for one in part.ids]
        assert len(ids) == kept
        assert seen.characters == await characters(database, ids)
        assert {reason: min(count, window_previews.SAMPLES) for reason, count in reasons.items()} == {
            reason: len(samples) for reason, samples in seen.samples.items()
        }
        assert ("unlikely" in reasons) == (mode == "scored")
        assert total > 50


async def stretches(database: Database, run: AnalysisRun) -> list[Stretch]:
    async with database.transaction() as session:
        found = plans.kept_stretches(session, run.id, int(run.options["time_gap_seconds"]))
        return [part async for part in found]


async def characters(database: Database, ids: Sequence[UUID]) -> int:
    async with database.transaction() as session:
        return sum(len(message.text) for message in await batches.messages(session, ids))
