"""The offline extractor on real talk: a meeting's log, and letters."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TypedDict

import pytest

from evaluation.asks_training import own_lines, read_labelled, train
from llm.offline import OfflineMessage, OfflineTask, extract_tasks
from tests.support.effort import effort
from tests.support.talks import tasks

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is not there")


class Action(TypedDict):
    """One action of the meeting's minutes."""

    line: int
    date: str
    time: str
    text: str


_LINE = re.compile(r"\S+ (\d{4}-\d\d-\d\d) \[(\d\d:\d\d)\] +(?:<([^>]+)>|\* (\S+)) (.*)$")
_ANY_COMMAND = re.compile(r"\s*(?:#\w+\b|\[(?:topic|action|link|idea|agreed|vote|endvote)\])", re.IGNORECASE)
_RECORDED = re.compile(r"\s*(?:#action\b|\[action\])", re.IGNORECASE)
_BOTS = ("MootBot", "ubottu")
_EVERYDAY = frozenset(["and", "for", "his", "that", "the", "please", "from", "out", "why", "next", "have", "had"])


def meeting(*, with_actions: bool) -> list[OfflineMessage]:
    """The lines that people wrote, without the chair's commands, or with the actions among these. Refs are numbers
    of lines."""
    messages: list[OfflineMessage] = []
    log = (DATA / "irc-ubuntu-meeting-2010-11.txt").read_text("utf-8")
    for number, line in enumerate(log.split("\n"), 1):
        match = _LINE.match(line.rstrip())
        if match is None or (match[3] or match[4]) in _BOTS:
            continue
        if _ANY_COMMAND.match(match[5]) and not (with_actions and _RECORDED.match(match[5])):
            continue
        sent_at = datetime.fromisoformat(f"{match[1]}T{match[2]}:00+00:00")
        messages.append(OfflineMessage(str(number), match[3] or match[4], sent_at, match[5]))
    return messages


def in_batches(messages: Sequence[OfflineMessage]) -> list[OfflineTask]:
    found: list[OfflineTask] = []
    for start in range(0, len(messages), 50):
        found += extract_tasks(messages[start : start + 50], messages[max(start - 5, 0) : start])
    return found


def is_found(action: Action, found: Sequence[OfflineTask]) -> bool:
    """Whether a proposal cites a line within 10 of the action and names half of its words in the title."""
    owner, *words = re.findall(r"[\w'\-]{3,}", action["text"].lower())
    keywords = {word[:6] for word in words if word not in _EVERYDAY}
    for task in found:
        near = any(abs(int(ref) - action["line"]) <= 10 for ref in task.source_refs)
        named = sum(word in task.title.lower() for word in keywords)
        if near and named * 2 >= len(keywords) and (task.assignee or owner).lower() == owner:
            return True
    return False


@needs_data
def test_actions_of_a_meeting_are_found_without_the_chair_s_commands() -> None:
    actions: list[Action] = json.loads((DATA / "irc-ubuntu-meeting-2010-11.actions.json").read_text("utf-8"))
    found = in_batches(meeting(with_actions=False))
    assert sum(is_found(action, found) for action in actions) >= 3
    assert len(found) <= 6 * len(actions)


@needs_data
def test_recorded_actions_of_a_meeting_are_all_found() -> None:
    actions: list[Action] = json.loads((DATA / "irc-ubuntu-meeting-2010-11.actions.json").read_text("utf-8"))
    messages = meeting(with_actions=True)
    found = in_batches(messages)
    recorded = {message.ref for message in messages if _RECORDED.match(message.text)}
    assert len(recorded) == len(actions)
    assert recorded <= {ref for task in found for ref in task.source_refs}


@needs_data
def test_a_batch_is_little_work() -> None:
    messages = meeting(with_actions=False)
    assert effort(lambda: in_batches(messages)) / len(messages) * 50 < 0.3


@needs_data
def test_asks_of_letters_are_found_by_what_was_learnt_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    path = DATA / "email-intent-train.tsv"
    rows = [line.partition("\t") for line in path.read_text("utf-8").splitlines()]
    others = [one for number, one in enumerate(read_labelled(path)) if number % 4]
    monkeypatch.setattr("evaluation.asks_training.FOLDS", 3)  # the threshold needs no more
    monkeypatch.setattr("llm.offline.dialogue.shipped", cache(lambda: train(others, own_lines()).model))
    judged = [(label == "Yes", bool(tasks(("Ana", sentence)))) for label, _, sentence in rows[::4]]
    right = sum(asks and found for asks, found in judged)
    assert 2 * right / (sum(asks for asks, _ in judged) + sum(found for _, found in judged)) >= 0.72
