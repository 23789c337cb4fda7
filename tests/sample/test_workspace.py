"""The sample workspace is a whole Slack export, and its gold file speaks of messages that are in it."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import NotRequired, TypedDict

import pytest

from ingest.entries import Found, ReadOptions
from ingest.slack import read
from sample.scoring import names
from sample.workspace import WINDOW, bot_messages, export_path, gold

CHANNELS = {"general", "engineering", "support", "design"}
DAYS = {"2026-03-10", "2026-03-11"}


class Reply(TypedDict):
    user: str
    ts: str


class Message(TypedDict):
    text: str
    ts: str
    user: NotRequired[str]
    bot_id: NotRequired[str]
    subtype: NotRequired[str]
    thread_ts: NotRequired[str]
    replies: NotRequired[list[Reply]]
    reply_count: NotRequired[int]


class Profile(TypedDict):
    display_name: str


class User(TypedDict):
    id: str
    name: str
    is_bot: bool
    profile: Profile


class Channel(TypedDict):
    name: str
    members: list[str]


def users() -> list[User]:
    read: list[User] = json.loads((export_path() / "users.json").read_bytes())
    return read


def channels() -> list[Channel]:
    read: list[Channel] = json.loads((export_path() / "channels.json").read_bytes())
    return read


def day(channel: str, date: str) -> list[Message]:
    read: list[Message] = json.loads((export_path() / channel / f"{date}.json").read_bytes())
    return read


def messages(channel: str) -> list[Message]:
    return [message for date in sorted(DAYS) for message in day(channel, date)]


def threads(channel: str) -> list[Message]:
    return [message for message in messages(channel) if message.get("thread_ts") == message["ts"]]


def people() -> set[str]:
    return {
        user["profile"]["display_name"] or user["name"]
        for user in users()
        if not user["is_bot"] and user["id"] != "USLACKBOT"
    }


def test_four_channels_have_a_file_for_each_of_the_two_days() -> None:
    files = {(path.parent.name, path.stem) for path in export_path().glob("*/*.json")}

    assert {channel["name"] for channel in channels()} == CHANNELS
    assert files == {(channel, date) for channel in CHANNELS for date in DAYS}


def test_the_team_talks_enough() -> None:
    assert sum(len(messages(channel)) for channel in CHANNELS) == 333
    assert sum(len(threads(channel)) for channel in CHANNELS) >= 17


def test_every_message_lies_in_the_file_of_its_day_and_in_the_window() -> None:
    start, end = WINDOW

    for channel in CHANNELS:
        for date in DAYS:
            for message in day(channel, date):
                sent = datetime.fromtimestamp(float(message["ts"]), UTC)
                assert sent.date().isoformat() == date
                assert start <= sent < end


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_messages_of_a_channel_are_in_order_and_none_has_the_ts_of_another(channel: str) -> None:
    stamps = [message["ts"] for message in messages(channel)]

    assert all(len(stamp) == len("1773129600.000001") for stamp in stamps)
    assert all(one < next_one for one, next_one in pairwise(stamps))


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_a_thread_begins_before_its_replies_and_lists_them(channel: str) -> None:
    replies: dict[str, list[str]] = {}
    for message in messages(channel):
        parent = message.get("thread_ts")
        if parent is not None and parent != message["ts"]:
            replies.setdefault(parent, []).append(message["ts"])

    assert {thread["ts"] for thread in threads(channel)} == set(replies)
    for thread in threads(channel):
        assert [reply["ts"] for reply in thread["replies"]] == replies[thread["ts"]]
        assert thread["reply_count"] == len(replies[thread["ts"]])
        assert thread["ts"] < replies[thread["ts"]][0]


def test_authors_and_members_are_users() -> None:
    known = {user["id"] for user in users()}

    for channel in channels():
        assert set(channel["members"]) <= known
        for message in messages(channel["name"]):
            assert message.get("user", "USLACKBOT") in known
            assert "user" in message or "bot_id" in message


def test_no_two_people_share_a_name() -> None:
    assert len({user["profile"]["display_name"] or user["name"] for user in users()}) == len(users())


def test_the_export_holds_what_an_importer_stumbles_over() -> None:
    everything = [message for channel in CHANNELS for message in messages(channel)]
    subtypes = {message.get("subtype") for message in everything}

    assert subtypes >= {"bot_message", "channel_join", "channel_topic", "thread_broadcast", "me_message", "tombstone"}
    for key in ("edited", "reactions", "files"):
        assert any(key in message for message in everything)
    assert any("&amp;" in message["text"] and "<@U" in message["text"] for message in everything)
    assert any("```" in message["text"] and "&gt;" in message["text"] for message in everything)


def test_programs_are_told_from_people() -> None:
    said = {(channel, message["ts"]): message for channel in CHANNELS for message in messages(channel)}
    by_programs = {ref for ref, message in said.items() if "bot_id" in message or message["user"] == "USLACKBOT"}

    assert bot_messages() == by_programs
    assert {said[ref].get("bot_id") for ref in by_programs if said[ref].get("subtype") != "tombstone"} == {
        "B01",
        "B07BLD2CI",
        "B07PW1ALR",
    }


def test_there_are_enough_tasks_and_traps_and_no_id_is_used_twice() -> None:
    tasks, traps = gold().tasks, gold().traps

    assert len(tasks) >= 22
    assert len(traps) >= 12
    assert len({task.id for task in tasks}) == len(tasks)
    assert len({trap.id for trap in traps}) == len(traps)


def test_gold_speaks_of_messages_of_its_channel() -> None:
    said = {(channel, message["ts"]) for channel in CHANNELS for message in messages(channel)}

    for refs in [task.refs() for task in gold().tasks] + [trap.refs() for trap in gold().traps]:
        assert refs
        assert refs <= said


def test_no_task_rests_on_a_trap_or_on_a_program() -> None:
    evidence = {ref for task in gold().tasks for ref in task.refs()}
    trapped = {ref for trap in gold().traps for ref in trap.refs()}

    assert evidence.isdisjoint(trapped)
    assert evidence.isdisjoint(bot_messages())


def test_bot_traps_are_the_words_of_programs() -> None:
    for trap in gold().traps:
        assert (trap.refs() <= bot_messages()) == (trap.kind == "bot")


def test_owners_are_people_of_the_team() -> None:
    owners = {task.owner for task in gold().tasks}

    assert owners - {None} <= people()
    assert None in owners
    assert len(owners) >= 6


def test_keywords_are_stems_that_the_title_of_their_task_holds() -> None:
    for task in gold().tasks:
        assert 2 <= len(task.keywords) <= 4
        assert all(keyword == keyword.lower() for keyword in task.keywords)
        assert names(task, task.title), task.id


def test_no_task_due_before_it_was_spoken_of() -> None:
    for task in gold().tasks:
        first = datetime.fromtimestamp(float(min(task.evidence)), UTC).date()
        assert task.due is None or task.due >= first


def test_the_import_names_messages_owners_and_programs_as_the_gold_does() -> None:
    read_in = [entry.message for entry in read(export_path(), ReadOptions()) if isinstance(entry, Found)]
    by_people = {(one.channel, one.external_id): one.author for one in read_in if not (one.is_bot or one.is_system)}

    assert {task.owner for task in gold().tasks} - {None} <= set(by_people.values())
    assert all(task.refs() <= by_people.keys() for task in gold().tasks)
    assert bot_messages().isdisjoint(by_people)
