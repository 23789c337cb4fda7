"""Telling asks from other talk."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest

from analysis.asks import BUCKETS, LONGEST, AskModel, Passed, Places, features, is_english, sentences, shipped
from tests.support.effort import effort


@pytest.mark.parametrize(
    "text",
    [
        "Could you send me the report by Friday?",
        "please restart the build server",
        "@ada can you look at the failing test",
        "nice weather. Let me know what you need from us?",
        "I'll fix the login page",
        "будь ласка, перевір логи",
        "bitte prüf noch heute alle Protokolle",
        "x" * (LONGEST + 1),
    ],
)
def test_what_asks_or_promises_or_cannot_be_told_stays(text: str) -> None:
    assert shipped().may_ask([text]) == [True]


@pytest.mark.parametrize(
    "text",
    ["The weather was lovely yesterday.", "haha that was a good one", "He said it was fun.", "?!", "it is what it is"],
)
def test_other_talk_is_dropped(text: str) -> None:
    assert shipped().may_ask([text]) == [False]


def test_whom_a_message_addresses_is_no_part_of_it() -> None:
    assert sentences("ada: please look. Thanks!\nbye") == ["please look.", "Thanks!", "bye"]
    assert sentences("@ada_b please look") == ["please look"]
    assert sentences(" \n ") == []


def test_each_of_many_texts_is_judged_as_it_is_alone() -> None:
    texts = ["Could you send it?\nThanks!", "haha", "", "?!", "x" * (LONGEST + 1), "It rained. He said it was fun."]
    texts = texts + texts[::-1]
    assert shipped().may_ask(texts) == [shipped().may_ask([text])[0] for text in texts]
    parts = [*sentences(texts[0]), "", "haha haha"]
    assert shipped().scores(parts) == [shipped().scores([part])[0] for part in parts]
    assert shipped().may_ask([]) == []


def test_a_language_is_told_by_its_letters_and_common_words() -> None:
    assert is_english("the build is broken again")
    assert is_english("build broken")
    assert not is_english("збірка зламана")
    assert not is_english("ich mache das morgen früh fertig")


def test_the_order_of_the_words_counts() -> None:
    assert features("you can send it") != features("can you send it")
    assert max(features("can you send 12 files?")) < BUCKETS
    assert features("send 12 files") == features("send 7 files")


def test_a_model_is_read_as_it_was_written() -> None:
    model = AskModel(np.array([number % 255 - 127 for number in range(BUCKETS)], np.int8), -3, 5)
    read = AskModel.from_bytes(model.to_bytes())
    assert (list(read.weights), read.bias, read.threshold) == (list(model.weights), -3, 5)
    with pytest.raises(ValueError, match=f"{BUCKETS} weights are needed, not 1"):
        AskModel.from_bytes(b"{}\n\0")


def _begs(texts: Sequence[str]) -> list[bool]:
    return ["please" in text for text in texts]


def test_what_follows_an_ask_in_its_place_stays() -> None:
    said = [("a", "please look"), ("b", "haha"), ("a", "haha"), ("a", "haha"), ("b", "please look"), ("b", "haha")]
    passed = [Passed(UUID(int=number), place, number, text) for number, (place, text) in enumerate(said)]
    places = Places()
    found = places.unlikely(passed[:3], _begs)
    found += places.unlikely(passed[3:], _begs)
    assert [one.int for one in found] == [1, 3]


def test_the_first_answer_in_a_thread_stays_with_the_ask_that_opened_it() -> None:
    said = [("a", 0, "please look"), ("a", 1, "haha"), ("a", 2, "haha"), (0, 0, "haha"), (0, 0, "haha")]
    passed = [Passed(UUID(int=number), place, opens, text) for number, (place, opens, text) in enumerate(said)]
    found = Places().unlikely(passed, _begs)
    assert [one.int for one in found] == [2, 4]


def test_a_long_text_without_an_end_is_judged_at_once() -> None:
    texts = ["a:" * (LONGEST // 2), " " * LONGEST]
    assert effort(lambda: shipped().may_ask(texts)) < 3
