"""Batches hold whole conversations of one channel, and every message once."""

import math
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.batches import PlannedBatch, Planner
from models.base import new_id
from tests.support.plans import Placed, PlainPlanner, stretches

NINE = datetime(2026, 3, 10, 9, tzinfo=UTC)
TEAM, IRC = UUID(int=1), UUID(int=2)


def placed(second: float, *, unit: str | None = None, channel: str = "dev", source: UUID = TEAM) -> Placed:
    """A message of the unit that began at this second; without a unit it is one of its own."""
    message_id = new_id()
    return Placed(message_id, source, channel, unit or str(message_id), NINE + timedelta(seconds=second))


def every(seconds: float, count: int, *, begin: float = 0) -> list[Placed]:
    return [placed(begin + at * seconds) for at in range(count)]


def thread(begin: float, count: int) -> list[Placed]:
    """A root and its replies: one unit, whenever the replies came."""
    name = str(new_id())
    return [placed(begin, unit=name) for _ in range(count)]


def plan(messages: Sequence[Placed], *, size: int = 50, gap: int = 600, part: int = 10_000) -> list[PlannedBatch]:
    """The batches of the messages, given to the planner some at a time."""
    planner = Planner(max_batch_size=size)
    parts = stretches(messages, gap=gap, length=part)
    return [batch for some in parts for batch in planner.plan(some)] + list(planner.finish())


def sizes(batches: Iterable[PlannedBatch]) -> list[int]:
    return [len(batch.message_ids) for batch in batches]


def test_nothing_gives_no_batch() -> None:
    assert plan([]) == []


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100, 101, 1234])
@pytest.mark.parametrize("size", [10, 50])
def test_messages_without_a_gap_fill_their_batches(count: int, size: int) -> None:
    assert len(plan(every(600, count), size=size)) == math.ceil(count / size)


def test_a_batch_takes_several_whole_conversations() -> None:
    talks = [every(10, 20), every(10, 20, begin=5000), every(10, 20, begin=10_000)]
    first, second = plan([message for talk in talks for message in talk], size=50)
    assert first.message_ids == [message.id for message in talks[0] + talks[1]]
    assert second.message_ids == [message.id for message in talks[2]]


def test_exactly_the_gap_does_not_end_a_conversation() -> None:
    assert sizes(plan(every(600, 6) + every(600, 6, begin=6 * 600), size=10, gap=600)) == [10, 2]


def test_a_moment_more_than_the_gap_ends_a_conversation() -> None:
    assert sizes(plan(every(600, 6) + every(600, 6, begin=6 * 600 + 0.001), size=10, gap=600)) == [6, 6]


def test_only_a_conversation_that_is_too_long_is_cut() -> None:
    short, long = every(10, 7), every(10, 25, begin=5000)
    assert sizes(plan(short + long, size=10)) == [7, 10, 10, 5]


def test_the_rest_of_a_cut_conversation_shares_its_batch_with_the_next() -> None:
    assert sizes(plan(every(10, 12) + every(10, 8, begin=5000), size=10)) == [10, 10]


def test_a_thread_is_not_cut_where_its_conversation_is() -> None:
    before, talk, after = every(10, 7), thread(70, 6), every(10, 3, begin=80)
    first, second = plan(before + talk + after, size=10)
    assert first.message_ids == [message.id for message in before]
    assert second.message_ids == [message.id for message in talk + after]


def test_a_thread_longer_than_a_batch_is_cut_where_it_must_be() -> None:
    assert sizes(plan([*every(10, 3), *thread(30, 25), *every(10, 3, begin=40)], size=10)) == [3, 10, 10, 8]


@pytest.mark.parametrize("talk", [every(10, 1000), thread(0, 1000)], ids=["conversation", "thread"])
def test_a_batch_is_given_as_soon_as_it_is_full_however_long_the_talk_goes_on(talk: list[Placed]) -> None:
    [stretch] = stretches(talk, gap=600)
    given = list(Planner(max_batch_size=50).plan(stretch))
    # What may still stay together with what comes, and one batch, are all that the planner holds.
    assert len(given) >= 18


@pytest.mark.parametrize("stored", [1, 7, 20])
@pytest.mark.parametrize("seed", range(5))
def test_a_plan_that_goes_on_after_its_first_batches_is_the_same_plan(stored: int, seed: int) -> None:
    chance = random.Random(seed)
    units = [thread(chance.randrange(20_000), chance.randrange(1, 30)) for _ in range(60)]
    messages = sorted((message for unit in units for message in unit), key=lambda m: (m.unit_start, m.unit))
    whole = plan(messages, size=20)
    done = {message_id for batch in whole[:stored] for message_id in batch.message_ids}
    rest = plan([message for message in messages if message.id not in done], size=20)
    assert [batch.message_ids for batch in rest] == [batch.message_ids for batch in whole[stored:]]


def test_channels_do_not_mix_though_they_talk_at_the_same_time() -> None:
    batches = plan([*every(10, 3), *(placed(at, channel="ops") for at in range(3))])
    assert [(batch.channel, len(batch.message_ids)) for batch in batches] == [("dev", 3), ("ops", 3)]


def test_channels_of_one_name_at_two_sources_do_not_mix() -> None:
    batches = plan([*every(10, 3), *(placed(at, source=IRC) for at in range(3))])
    assert [(batch.source_id, len(batch.message_ids)) for batch in batches] == [(TEAM, 3), (IRC, 3)]


def test_threads_of_one_name_in_two_channels_do_not_mix() -> None:
    batches = plan([placed(0, unit="1"), placed(0, unit="1", channel="ops")])
    assert [batch.channel for batch in batches] == ["dev", "ops"]


units = st.tuples(
    st.sampled_from([TEAM, IRC]), st.sampled_from(["dev", "ops"]), st.integers(0, 20_000), st.integers(1, 30)
)


@st.composite
def channels(draw: st.DrawFn) -> list[Placed]:
    """Messages of threads and of none, in the order in which the database gives them."""
    listed = [
        [placed(begin, unit=str(number), channel=channel, source=source) for _ in range(count)]
        for number, (source, channel, begin, count) in enumerate(draw(st.lists(units, max_size=60)))
    ]
    messages = [message for unit in listed for message in unit]
    return sorted(messages, key=lambda m: (m.source_id, m.channel, m.unit_start, m.unit))


@given(messages=channels(), size=st.integers(10, 40), gap=st.integers(60, 3600), part=st.integers(1, 50))
def test_every_message_is_in_one_batch_in_its_place(messages: list[Placed], size: int, gap: int, part: int) -> None:
    batches = plan(messages, size=size, gap=gap, part=part)
    assert [message_id for batch in batches for message_id in batch.message_ids] == [m.id for m in messages]
    assert all(1 <= count <= size for count in sizes(batches))
    known = {message.id: message for message in messages}
    for batch in batches:
        places = {(known[i].source_id, known[i].channel) for i in batch.message_ids}
        assert places == {(batch.source_id, batch.channel)}


@given(messages=channels(), size=st.integers(10, 40), gap=st.integers(60, 3600), part=st.integers(1, 50))
def test_the_batches_are_those_of_a_plan_message_by_message(
    messages: list[Placed], size: int, gap: int, part: int
) -> None:
    plain = PlainPlanner(max_batch_size=size, time_gap_seconds=gap)
    expected = [*plain.plan(messages), *plain.finish()]
    assert plan(messages, size=size, gap=gap, part=part) == expected


@given(messages=channels(), size=st.integers(10, 40), gap=st.integers(60, 3600))
def test_what_fits_into_a_batch_stays_together(messages: list[Placed], size: int, gap: int) -> None:
    batch_of = {i: number for number, batch in enumerate(plan(messages, size=size, gap=gap)) for i in batch.message_ids}
    for together in [*threads(messages), *conversations(messages, gap)]:
        if len(together) <= size:
            assert len({batch_of[message.id] for message in together}) == 1


@given(messages=channels(), size=st.integers(10, 40), gap=st.integers(60, 3600))
def test_a_batch_ends_where_the_next_conversation_does_not_fit(messages: list[Placed], size: int, gap: int) -> None:
    for one, other in zip(batches := plan(messages, size=size, gap=gap), batches[1:], strict=False):
        if (one.source_id, one.channel) == (other.source_id, other.channel):
            head = next(talk for talk in conversations(messages, gap) if other.message_ids[0] in {m.id for m in talk})
            # One that must be cut begins a batch of its own, whatever room the last one has.
            assert len(one.message_ids) + len(head) > size


def threads(messages: list[Placed]) -> list[list[Placed]]:
    return [list(unit) for _, unit in groupby(messages, key=lambda m: (m.source_id, m.channel, m.unit))]


def conversations(messages: list[Placed], gap: int) -> list[list[Placed]]:
    """The messages split wherever the channel ends or over `gap` seconds pass until the next unit begins."""
    talks: list[list[Placed]] = []
    for message in messages:
        last = talks[-1][-1] if talks else None
        if (
            last is None
            or (last.source_id, last.channel) != (message.source_id, message.channel)
            or (message.unit_start - last.unit_start).total_seconds() > gap
        ):
            talks.append([])
        talks[-1].append(message)
    return talks
