"""Telling apart the conversations that go on at once in a channel."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conversations import conversations, leading
from evaluation.interleaving import interleaved
from evaluation.talks import START, talks
from models.conversation import ChatMessage
from tests.support.chat import message

TEXTS = ["ok, on it", "@ann can you fix the login?", "the build is red", "ann: thanks", "hello all", "", "?", "так"]


def said(*lines: tuple[str, str], seconds: float = 40) -> list[ChatMessage]:
    """Messages of (author, text), one behind the other."""
    return [message(text, author=author, minute=at * seconds / 60) for at, (author, text) in enumerate(lines)]


def texts(messages: list[ChatMessage]) -> list[list[str]]:
    return [[one.text for one in talk] for talk in conversations(messages)]


def test_two_pairs_of_people_who_take_turns_have_a_conversation_each() -> None:
    talk = said(
        ("ann", "Ben, could you send the invoice to the harbour office?"),
        ("eva", "hello all, the login page is down again"),
        ("ben", "ann: sure, after lunch"),
        ("tim", "eva: I'll look at the login right away"),
        ("ann", "thanks ben"),
    )
    assert texts(talk) == [
        ["Ben, could you send the invoice to the harbour office?", "ann: sure, after lunch", "thanks ben"],
        ["hello all, the login page is down again", "eva: I'll look at the login right away"],
    ]


def test_one_conversation_stays_one() -> None:
    talk = said(
        ("mira", "the 4.2 branch is cut"),
        ("mira", "@jonas please write the release notes for 4.2 by Thursday"),
        ("jonas", "ok, on it"),
        ("sven", "and who tells support?"),
        ("mira", "I do"),
    )
    assert len(conversations(talk)) == 1


def test_two_people_have_one_conversation() -> None:
    talk = said(("ann", "the invoice is late"), ("ben", "hello, is the build red?"), ("ann", "quick question: lunch?"))
    assert len(conversations(talk)) == 1


def test_a_thread_is_a_conversation_with_the_message_that_it_hangs_on() -> None:
    root, other, reply = said(("ann", "who takes the demo?"), ("eva", "who takes the notes?"), ("ben", "me"))
    root = replace(root, external_id="1")
    other = replace(other, external_id="2")
    reply = replace(reply, external_id="3", thread_id="2")
    assert conversations([root, other, reply]) == [[root], [other, reply]]


def test_a_reply_goes_with_what_it_replies_to() -> None:
    first, second, reply = said(("ann", "who takes the demo?"), ("eva", "hello all, lunch?"), ("ben", "me"))
    first, second = replace(first, external_id="1"), replace(second, external_id="2")
    reply = replace(reply, external_id="3", reply_to="1")
    assert conversations([first, second, reply])[0] == [first, reply]


def test_there_is_no_conversation_without_a_message() -> None:
    assert conversations([]) == []


@given(
    st.lists(
        st.builds(
            message,
            st.sampled_from(TEXTS),
            author=st.sampled_from(["ann", "ben", "eva", "Ann Lee", ""]),
            minute=st.integers(0, 90),
        ).flatmap(
            lambda one: st.builds(
                replace,
                st.just(one),
                external_id=st.sampled_from([None, "a", "b", "c"]),
                thread_id=st.sampled_from([None, None, "a", "b", "z"]),
                reply_to=st.sampled_from([None, None, "a", "c", "z"]),
            )
        ),
        max_size=30,
    )
)
def test_every_message_is_in_one_conversation_and_in_its_order(messages: list[ChatMessage]) -> None:
    found = conversations(messages)
    assert Counter(one.id for talk in found for one in talk) == Counter(one.id for one in messages)
    assert all(found)
    assert all(talk == sorted(talk, key=lambda one: one.sent_at) for talk in found)
    assert [talk[0].sent_at for talk in found] == sorted(talk[0].sent_at for talk in found)
    assert conversations(messages) == found


@pytest.mark.parametrize("data_set", ["cases", "kept_back"])
def test_conversations_side_by_side_are_mostly_told_apart(data_set: str) -> None:
    """By pairs of messages: of those that are together more belong together than of all, and few are parted."""
    right = together = belonging = pairs_of_all = 0
    for said_at_once in _channels(data_set):
        found = conversations([one for one, _ in said_at_once])
        place = {one.id: number for number, talk in enumerate(found) for one in talk}
        for at, (one, talk) in enumerate(said_at_once):
            for other, its in said_at_once[:at]:
                pairs_of_all += 1
                together += place[one.id] == place[other.id]
                belonging += talk == its
                right += place[one.id] == place[other.id] and talk == its
    assert right / together > 1.1 * belonging / pairs_of_all
    assert right / belonging >= 0.8


def _channels(data_set: str) -> list[list[tuple[ChatMessage, str]]]:
    """The messages of each channel by the clock, each with the talk that it belongs to."""
    channels: dict[str, list[tuple[ChatMessage, str]]] = {}
    for talk in interleaved(talks("cases" if data_set == "cases" else "kept_back"), START):
        for one in talk.messages:
            minute = (one.sent_at - START) / timedelta(minutes=1)
            channels.setdefault(one.channel, []).append(
                (message(one.content, author=one.author, minute=minute), talk.id)
            )
    return [sorted(channel, key=lambda entry: entry[0].sent_at) for channel in channels.values()]


def test_what_led_to_a_batch_was_said_before_it_without_a_gap() -> None:
    batch = [message("ok, go on", minute=30), message("and on", minute=31)]
    earlier = [message(str(minute), author="bob", minute=minute) for minute in (1, 20, 25, 29, 40)]
    assert [one.text for one in leading(earlier, batch, time_gap_seconds=360)] == ["20", "25", "29"]
    assert leading(earlier, batch, time_gap_seconds=30) == []
    assert leading([], batch, time_gap_seconds=360) == []
    assert leading(earlier, [], time_gap_seconds=360) == []


@pytest.mark.parametrize(
    ("text", "author", "goes_on"),
    [
        ("sure, I'll send it", "eva", True),
        ("the plan is here, bob", "eva", True),
        ("the plan is here", "carol", True),
        ("the plan is here", "eva", False),
    ],
)
def test_a_batch_goes_on_from_what_it_answers_whom_it_names_and_who_was_named(
    text: str, author: str, goes_on: bool
) -> None:
    earlier = [message("Carol, where is the plan?", author="bob"), message("which one", author="carol")]
    batch = [message(text, author=author, minute=1), message("the weather is fine", author="dan", minute=2)]
    assert leading(earlier, batch, time_gap_seconds=600) == (earlier if goes_on else [])
