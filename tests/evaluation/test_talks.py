"""The labelled conversations themselves."""

import pytest

from evaluation.talks import DataSet, talks, window

CATEGORIES = 20


@pytest.mark.parametrize("data_set", ["cases", "kept_back", "sample"])
def test_every_task_rests_on_messages_of_its_talk(data_set: DataSet) -> None:
    for talk in talks(data_set):
        refs = {(message.channel, message.external_id) for message in talk.messages}
        authors = {message.author for message in talk.messages}
        for task in talk.tasks:
            assert task.refs() <= refs
            assert task.owner is None or task.owner in authors
            assert task.keywords
            assert all(word == word.lower() for word in task.keywords)


def test_there_are_enough_cases_of_every_kind_and_a_third_is_kept_back() -> None:
    cases, kept_back = talks("cases"), talks("kept_back")
    assert len(cases) + len(kept_back) >= 40
    assert len(kept_back) * 3 >= len(cases) + len(kept_back)
    assert len({talk.category for talk in cases}) == len({talk.category for talk in kept_back}) == CATEGORIES
    ids = [talk.id for talk in cases + kept_back]
    assert len(set(ids)) == len(ids)


def test_no_conversation_without_a_speaker() -> None:
    assert all(message.author and message.content for talk in talks("cases") for message in talk.messages)


def test_a_window_holds_all_messages() -> None:
    start, end = window(talks("kept_back"))
    assert all(start <= message.sent_at < end for talk in talks("kept_back") for message in talk.messages)
