"""The plan as the database gives it."""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from analysis.batches import PlannedBatch, Planner, Stretch
from analysis.prefilter import rules_for
from db import plans, runs, window_previews, windows
from db.engine import Database
from models.conversation import IncomingMessage
from models.run import AnalysisRun
from tests.support.builders import START, add_messages, add_run, batches_of, fill_messages, run_of, store_messages
from tests.support.plans import Placed, PlainPlanner


async def plan(
    database: Database, run: AnalysisRun | None = None, *, size: int = 50, gap: int = 600, mode: str = "off"
) -> list[PlannedBatch]:
    """The batches of a run over the first day, through windows, prefilter and planner; those that it hasn't yet."""
    run = run or await add_run(database)
    planner = Planner(max_batch_size=size)
    async with database.transaction() as session:
        while await windows.pin_chunk(session, run) is not None:
            pass
        for chunk_no in await windows.unfiltered_chunks(session, run.id):
            await windows.filter_chunk(session, run.id, chunk_no, rules_for(mode, []))
        planned = [one async for part in plans.kept_stretches(session, run.id, gap) for one in planner.plan(part)]
    return planned + list(planner.finish())


def sizes(planned: Sequence[PlannedBatch]) -> list[int]:
    return [len(batch.message_ids) for batch in planned]


@pytest.mark.parametrize("count", [49, 50, 51, 12_345])
async def test_messages_without_a_gap_fill_their_batches(database: Database, count: int) -> None:
    await fill_messages(database, count)
    assert len(await plan(database)) == math.ceil(count / 50)


async def test_each_channel_fills_its_own_batches(database: Database) -> None:
    await fill_messages(database, 420, channels=4)
    planned = await plan(database)
    assert sizes(planned) == [50, 50, 5] * 4
    assert [batch.channel for batch in planned] == [f"c{number // 3}" for number in range(12)]


async def test_channels_of_one_name_at_two_sources_do_not_mix(database: Database) -> None:
    one = await add_messages(database, *"abc", source="team")
    other = await add_messages(database, *"def", source="irc")
    planned = await plan(database)
    assert {tuple(batch.message_ids) for batch in planned} == {tuple(one), tuple(other)}
    assert len({batch.source_id for batch in planned}) == 2


async def test_only_more_than_the_gap_ends_a_conversation(database: Database) -> None:
    await add_messages(database, *"abcdef", gap_seconds=600)
    await add_messages(database, *"ghijkl", start=START + timedelta(seconds=6 * 600, microseconds=1), gap_seconds=600)
    assert sizes(await plan(database, size=10)) == [6, 6]


async def test_a_thread_stays_together_though_its_replies_come_hours_later(database: Database) -> None:
    # A root doesn't say that it is one: only its replies name it.
    root = IncomingMessage("dev", "root", "ann", START, "the login is broken")
    replies = [
        replace(root, external_id=f"reply {hour}", thread_id="root", sent_at=START + timedelta(hours=hour))
        for hour in (1, 9, 20)
    ]
    talk = await add_messages(database, *"abc", channel="dev", start=START + timedelta(minutes=1))
    later = await add_messages(database, *"xyz", channel="dev", start=START + timedelta(hours=9))
    thread = await store_messages(database, [root, *replies])
    first, second = await plan(database, size=7)
    assert first.message_ids == [*thread, *talk]
    assert second.message_ids == later


async def test_replies_stay_with_what_they_reply_to_though_they_come_hours_later(database: Database) -> None:
    root = IncomingMessage("dev", "root", "ann", START, "the login is broken")
    first = replace(root, external_id="1", reply_to="root", sent_at=START + timedelta(hours=3))
    second = replace(root, external_id="2", reply_to="1", sent_at=START + timedelta(hours=9))
    talk = await add_messages(database, *"abc", channel="dev", start=START + timedelta(minutes=1))
    later = await add_messages(database, *"xyz", channel="dev", start=START + timedelta(hours=9))
    chain = await store_messages(database, [root, first, second])
    assert [batch.message_ids for batch in await plan(database, size=6)] == [[*chain, *talk], later]


async def test_a_reply_to_a_thread_is_of_the_thread(database: Database) -> None:
    root = IncomingMessage("dev", "root", "ann", START, "the login is broken")
    inside = replace(root, external_id="1", thread_id="root", sent_at=START + timedelta(hours=3))
    reply = replace(root, external_id="2", reply_to="1", sent_at=START + timedelta(hours=9))
    thread = await store_messages(database, [root, inside, reply])
    [batch] = await plan(database)
    assert batch.message_ids == thread


async def test_replies_to_what_is_not_there_and_to_each_other_lose_nothing(database: Database) -> None:
    lost = IncomingMessage("dev", "1", "ann", START, "yes", reply_to="gone")
    circle = [
        replace(lost, external_id=name, reply_to=other, sent_at=START + timedelta(minutes=at))
        for at, (name, other) in enumerate([("2", "3"), ("3", "2"), ("4", "4")], 1)
    ]
    stored = await store_messages(database, [lost, *circle])
    planned = await plan(database)
    assert sorted(one for batch in planned for one in batch.message_ids) == sorted(stored)


async def test_a_thread_is_placed_by_its_first_message_that_is_kept(database: Database) -> None:
    root = IncomingMessage("dev", "root", "ann", START, "ok")
    replies = [
        replace(root, external_id=f"{n}", thread_id="root", sent_at=START + timedelta(hours=n), content="please fix it")
        for n in (2, 8)
    ]
    [_, *thread] = await store_messages(database, [root, *replies])
    talk = await add_messages(database, "please look at this", channel="dev", start=START + timedelta(hours=1))
    [batch] = await plan(database, mode="rules")
    assert batch.message_ids == [*talk, *thread]


async def test_threads_of_one_name_in_two_channels_are_two(database: Database) -> None:
    roots = [IncomingMessage(channel, "1", "ann", START, "root") for channel in ("dev", "ops")]
    replies = [replace(root, external_id="2", thread_id="1", sent_at=START + timedelta(hours=5)) for root in roots]
    ids = await store_messages(database, roots + replies)
    planned = await plan(database)
    assert [batch.message_ids for batch in planned] == [[ids[0], ids[2]], [ids[1], ids[3]]]


@pytest.mark.parametrize("stored", [0, 1, 17])
async def test_the_plan_is_that_of_the_messages_one_by_one_from_wherever_it_goes_on(
    database: Database, stored: int
) -> None:
    chance = random.Random(11)
    incoming: list[IncomingMessage] = []
    for number in range(1500):
        root = chance.choice(incoming) if incoming and chance.random() < 0.4 else None
        at = START + timedelta(seconds=chance.randrange(86_400))
        made = IncomingMessage(root.channel if root else chance.choice("abc"), f"m{number}", "ann", at, "some text")
        incoming.append(replace(made, thread_id=(root.thread_id or root.external_id) if root else None))
    chance.shuffle(incoming)
    ids = await store_messages(database, incoming)
    begins: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for message in incoming:
        begins[message.channel, message.thread_id or message.external_id].append(message.sent_at)
    run = await add_run(database, status="running")
    whole = await plan(database, run, size=30)
    listed = []
    for message_id, message in zip(ids, incoming, strict=True):
        unit = message.thread_id or message.external_id
        place = Placed(message_id, whole[0].source_id, message.channel, unit, min(begins[message.channel, unit]))
        listed.append((place.channel, place.unit_start, place.unit, message.sent_at, message_id, place))
    plain = PlainPlanner(max_batch_size=30, time_gap_seconds=600)
    expected = [*plain.plan(place for *_, place in sorted(listed)), *plain.finish()]
    assert whole == expected
    async with runs.locked(database, run.id) as held:
        await plans.add(held, whole[:stored])
    assert await plan(database, run, size=30) == expected[stored:]


async def test_a_large_plan_comes_in_parts(database: Database) -> None:
    await fill_messages(database, 12_000)
    run = await add_run(database)
    async with database.transaction() as session:
        while await windows.pin_chunk(session, run) is not None:
            pass
        for chunk in await windows.unfiltered_chunks(session, run.id):
            await windows.filter_chunk(session, run.id, chunk, rules_for("off", []))
        parts = [len(part.ids) async for part in plans.kept_stretches(session, run.id, 600)]
    assert parts == [1000] * 12


async def test_planned_batches_are_stored_with_their_numbers(database: Database) -> None:
    run = await add_run(database, status="running")
    await fill_messages(database, 25)
    found = await stretches(database, run)
    planned = [PlannedBatch(part.source_id, part.channel, [one]) for part in found for one in part.ids]
    for part in (planned[:20], planned[20:]):
        async with runs.locked(database, run.id) as held:
            await plans.add(held, part)
    assert (await run_of(database, run.id)).batches_created == 25
    rows = await batches_of(database, run.id)
    assert [row.batch_no for row in rows] == list(range(1, 26))
    assert [(row.source_id, row.channel, row.message_ids) for row in rows] == [
        (one.source_id, one.channel, one.message_ids) for one in planned
    ]
    assert {(row.status, row.message_count, row.attempts) for row in rows} == {("waiting", 1, 0)}


async def stretches(database: Database, run: AnalysisRun) -> list[Stretch]:
    async with database.transaction() as session:
        return [part async for part in window_previews.preview_stretches(session, run, rules_for("off", []))]
