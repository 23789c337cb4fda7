"""The sets that are put together: two conversations in one channel, and what others said."""

import json
from pathlib import Path

import pytest

from errors import GleanerError
from evaluation.data_sets import DataSet, conversations
from evaluation.talks import Talk

LOG = """\
dev 2024-03-04 [10:00] <MootBot> Meeting started
dev 2024-03-04 [10:01] <ann> the mirror in Oslo is slow
dev 2024-03-04 [10:02] <ben> I can ask the admins there
dev 2024-03-04 [10:03] <ann> #action ben to ask the admins of the Oslo mirror
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "irc-ubuntu-meeting-2010-11.txt").write_text(LOG)
    action = {"line": 4, "date": "2024-03-04", "time": "10:03", "text": "Ben to ask the admins of the Oslo mirror"}
    (tmp_path / "irc-ubuntu-meeting-2010-11.actions.json").write_text(json.dumps([action]))
    (tmp_path / "email-intent-train.tsv").write_text("Yes\tPlease send the plan.\nNo\tThe plan is blue.\n")
    return tmp_path


@pytest.mark.parametrize("data_set", [DataSet.INTERLEAVED, DataSet.INTERLEAVED_KEPT_BACK])
def test_two_conversations_are_in_one_channel_at_the_same_time(data_set: DataSet) -> None:
    talks = conversations(data_set, None)
    channels: dict[str, list[Talk]] = {}
    for talk in talks:
        (channel,) = {message.channel for message in talk.messages}
        channels.setdefault(channel, []).append(talk)
        assert all(task.refs() <= talk.refs() for task in talk.tasks)
        times = [message.sent_at for message in talk.messages]
        assert times == sorted(times)
    for first, second in channels.values():
        assert not first.refs() & second.refs()
    assert len({talk.id for talk in talks}) == len(talks)
    assert talks == conversations(data_set, None)


def test_an_action_of_a_meeting_is_found_where_it_was_talked_about(folder: Path) -> None:
    (talk,) = conversations(DataSet.MEETINGS, folder)
    assert [message.content for message in talk.messages] == [
        "the mirror in Oslo is slow",
        "I can ask the admins there",
    ]
    (task,) = talk.tasks
    assert (task.owner, task.keywords) == ("ben", ("ask", "admins", "oslo", "mirror"))
    assert task.refs() == talk.refs()


def test_a_sentence_of_a_letter_that_asks_is_a_task_of_nobody(folder: Path) -> None:
    (talk,) = conversations(DataSet.LETTERS, folder)
    assert [message.content for message in talk.messages] == ["Please send the plan.", "The plan is blue."]
    assert [task.title for task in talk.tasks] == ["Please send the plan."]
    assert not talk.owners_known


@pytest.mark.parametrize("data_set", [DataSet.MEETINGS, DataSet.LETTERS])
def test_what_does_not_come_with_the_project_needs_its_folder(data_set: DataSet, tmp_path: Path) -> None:
    with pytest.raises(GleanerError, match=f"The set {data_set} needs the file"):
        conversations(data_set, None)
    with pytest.raises(GleanerError, match="doesn't hold it"):
        conversations(data_set, tmp_path)
