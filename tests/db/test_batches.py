"""The plan as the database gives it, and batches settled once."""

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from analysis.batches import PlannedBatch, Planner, Stretch
from analysis.estimates import Past, Work
from analysis.prefilter import rules_for
from db import batches, runs, settling, windows
from db.engine import Database
from db.settling import Found
from models.base import new_id
from models.conversation import IncomingMessage
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.values import BatchStatus, RunStatus
from tests.support.builders import (
    START,
    add_batches,
    add_messages,
    add_run,
    batches_of,
    events_of,
    fill_messages,
    run_of,
    store_messages,
)
from tests.support.plans import Placed, PlainPlanner

SNAPSHOT = {"provider": {"type": "openai"}, "agent": {"model_name": "stand-in"}}


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
        planned = [one async for part in batches.kept_stretches(session, run.id, gap) for one in planner.plan(part)]
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
        await batches.add(held, whole[:stored])
    assert await plan(database, run, size=30) == expected[stored:]


async def test_a_large_plan_comes_in_parts(database: Database) -> None:
    await fill_messages(database, 12_000)
    run = await add_run(database)
    async with database.transaction() as session:
        while await windows.pin_chunk(session, run) is not None:
            pass
        for chunk in await windows.unfiltered_chunks(session, run.id):
            await windows.filter_chunk(session, run.id, chunk, rules_for("off", []))
        parts = [len(part.ids) async for part in batches.kept_stretches(session, run.id, 600)]
    assert parts == [1000] * 12


async def test_planned_batches_are_stored_with_their_numbers(database: Database) -> None:
    run = await add_run(database, status="running")
    await fill_messages(database, 25)
    found = await stretches(database, run)
    planned = [PlannedBatch(part.source_id, part.channel, [one]) for part in found for one in part.ids]
    for part in (planned[:20], planned[20:]):
        async with runs.locked(database, run.id) as held:
            await batches.add(held, part)
    assert (await run_of(database, run.id)).batches_created == 25
    rows = await batches_of(database, run.id)
    assert [row.batch_no for row in rows] == list(range(1, 26))
    assert [(row.source_id, row.channel, row.message_ids) for row in rows] == [
        (one.source_id, one.channel, one.message_ids) for one in planned
    ]
    assert {(row.status, row.message_count, row.attempts) for row in rows} == {("waiting", 1, 0)}


async def stretches(database: Database, run: AnalysisRun) -> list[Stretch]:
    async with database.transaction() as session:
        return [part async for part in windows.preview_stretches(session, run, rules_for("off", []))]


async def test_batches_are_read_in_pages_and_those_that_nobody_settled_alone(database: Database) -> None:
    run = await add_run(database, status="running")
    await add_batches(database, run.id, "completed", "waiting", "failed", "running", "split", "waiting")
    other = await add_run(database, status="running", day=1)
    await add_batches(database, other.id, "waiting")
    async with database.transaction() as session:
        assert await batches.unsettled(session, run.id) == [2, 4, 6]
        pages = [[row.batch_no for row in await batches.listed(session, run.id, after, 4)] for after in (0, 4, 6)]
    assert pages == [[1, 2, 3, 4], [5, 6], []]


async def test_messages_come_in_the_order_asked_for_without_those_that_are_gone(database: Database) -> None:
    a, b, c = await add_messages(database, "one", "two", "three", author="bob", thread_id="t", is_bot=True)
    async with database.transaction() as session:
        shown = await batches.messages(session, [c, new_id(), a, b])
    assert [(message.id, message.text) for message in shown] == [(c, "three"), (a, "one"), (b, "two")]
    assert (shown[0].author, shown[0].thread_id, shown[0].is_bot, shown[0].channel) == ("bob", "t", True, "general")


async def test_what_a_model_used_is_told_by_its_batches_that_took_one_request(database: Database) -> None:
    run = await add_run(database, status="running", config_snapshot=SNAPSHOT, llm_requests=1)
    ids = await add_messages(database, "four", "eleven here")
    used = {"message_ids": ids, "input_tokens": 900, "output_tokens": 80, "llm_requests": 1}
    await add_batches(database, run.id, "completed", "completed", **used)
    retried = await add_run(database, status="running", day=1, config_snapshot=SNAPSHOT, llm_requests=1)
    await add_batches(database, retried.id, "completed", "failed", **used | {"llm_requests": 2})
    async with database.transaction() as session:
        past = await batches.past_usage(session, "openai", "stand-in")
        assert await batches.past_usage(session, "mistral", "stand-in") is None
        assert await batches.past_usage(session, "openai", "another") is None
    assert past == Past(Work(batches=2, messages=4, characters=30), input_tokens=1800, output_tokens=160)


async def settle(
    database: Database, run_id: UUID, batch_no: int, *, proposals: int = 0, error: str | None = None
) -> bool:
    """Whether this call settled the batch."""
    if error is None:
        return bool(await complete(database, run_id, {batch_no: proposals}))
    async with runs.locked(database, run_id) as held:
        batch = await batches.lock_unsettled(held, batch_no)
        if batch is not None:
            await batches.fail(held, batch, error)
        return batch is not None


async def complete(database: Database, run_id: UUID, proposals: dict[int, int]) -> list[int]:
    """Those of the batches that this call completed, each with so many proposals."""
    async with database.transaction() as session, settling.holding(session, run_id, list(proposals)) as (held, models):
        found = [
            Found(number, _proposals(run_id, number, proposals[number]), [None] * proposals[number])
            for number in sorted(models)
        ]
        await settling.complete(held, found)
        return sorted(models)


def _proposals(run_id: UUID, batch_no: int, count: int) -> list[TaskProposal]:
    return [
        TaskProposal(
            run_id=run_id,
            batch_no=batch_no,
            ordinal=ordinal,
            proposed_title=f"Fix part {ordinal}",
            confidence=0.5,
            source_message_ids=[new_id()],
            message_count=1,
            model="m",
            prompt_version="1",
        )
        for ordinal in range(1, count + 1)
    ]


async def test_a_settled_batch_is_counted_and_told(database: Database) -> None:
    made = await add_run(database, status="running")
    await add_batches(database, made.id, "running", "waiting", "running", attempts=2)
    assert await settle(database, made.id, 1, proposals=3)
    assert await settle(database, made.id, 2)
    assert await settle(database, made.id, 3, error="timeout")
    run = await run_of(database, made.id)
    assert (run.batches_completed, run.batches_failed) == (2, 1)
    assert (run.proposals_total, run.proposals_pending) == (3, 3)
    rows = await batches_of(database, run.id)
    assert [(row.status, row.error, row.proposals) for row in rows] == [
        ("completed", None, 3),
        ("completed", None, 0),
        ("failed", "timeout", 0),
    ]
    assert all(row.settled_at for row in rows)
    told = [(event.event, event.data) for event in (await events_of(database, run.id))[1:]]
    run_id = str(run.id)

    def progress(settled: int, percent: int) -> tuple[str, dict[str, object]]:
        data = {"run_id": run_id, "current_batch": settled, "total_batches": 3, "progress_percent": percent}
        return "progress_updated", data

    counts = {"proposals_count": 3, "proposals_total": 3, "proposals_pending": 3}
    assert told == [
        progress(1, 33),
        ("proposals_created", {"run_id": run_id, "batch_no": 1} | counts),
        progress(2, 66),
        progress(3, 100),
        ("batch_failed", {"run_id": run_id, "batch_no": 3, "error": "timeout", "attempts": 2}),
    ]


async def test_a_batch_is_settled_once_however_many_try(database: Database) -> None:
    made = await add_run(database, status="running")
    await add_batches(database, made.id, *_waiting(5))
    tries = [settle(database, made.id, 1 + number % 5, proposals=2) for number in range(20)]
    assert sum(await asyncio.gather(*tries)) == 5
    run = await run_of(database, made.id)
    assert (run.batches_completed, run.proposals_total) == (5, 10)
    percents = [
        event.data["progress_percent"]
        for event in await events_of(database, run.id)
        if event.event == "progress_updated"
    ]
    assert percents == [20, 40, 60, 80, 100]


async def test_batches_that_are_completed_together_are_told_one_after_the_other(database: Database) -> None:
    made = await add_run(database, status="running")
    await add_batches(database, made.id, *_waiting(3), "completed")
    assert await complete(database, made.id, {1: 2, 2: 0, 4: 5}) == [1, 2]
    assert await complete(database, made.id, {2: 1, 3: 1}) == [3]
    run = await run_of(database, made.id)
    assert (run.batches_completed, run.proposals_total, run.proposals_pending) == (4, 3, 3)
    told = [(event.event, event.data.get("batch_no")) for event in (await events_of(database, run.id))[1:]]
    progress = ("progress_updated", None)
    assert told == [progress, ("proposals_created", 1), progress, progress, ("proposals_created", 3)]
    assert [batch.proposals for batch in await batches_of(database, run.id)] == [2, 0, 1, 0]


def _waiting(count: int) -> list[BatchStatus]:
    return ["waiting"] * count


@pytest.mark.parametrize("status", ["pending", "completed", "reviewed", "closed", "failed", "cancelled"])
async def test_a_run_that_does_not_work_has_no_batch_settled(database: Database, status: RunStatus) -> None:
    run = await add_run(database, status=status)
    await add_batches(database, run.id, "running")
    assert not await settle(database, run.id, 1)
    assert not await settle(database, run.id, 99, error="timeout")
    assert len(await events_of(database, run.id)) == 1


async def test_a_paused_run_takes_the_answers_that_were_under_way(database: Database) -> None:
    run = await add_run(database, status="paused")
    await add_batches(database, run.id, "running")
    assert await settle(database, run.id, 1)


@pytest.mark.parametrize(
    ("settled", "total", "percent"), [(0, 3, 0), (1, 3, 33), (2, 3, 66), (3, 3, 100), (9_999, 10_000, 99), (0, 0, 100)]
)
def test_a_hundred_per_cent_means_done(settled: int, total: int, percent: int) -> None:
    assert batches.percent(settled, total) == percent
