"""Conversations that nobody wrote for the project, read from a folder: two days of an IRC channel with the actions that
the chairs of its meetings recorded, and sentences of e-mail with whether they ask for something.

The files are those of the corpora irc-disentanglement (Kummerfeld et al., 2019; `ubuntu-meeting`) and ParakweetLabs'
EmailIntentDataSet. What is measured on them is the reading alone: a chair's commands and the bots' lines are taken out.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from evaluation.letters import read_letters
from evaluation.talks import Talk
from ingest.entries import Found, ReadOptions
from ingest.irc import read
from models.conversation import IncomingMessage
from sample.workspace import GoldTask

MEETING_LOG = "irc-ubuntu-meeting-2010-11.txt"
MEETING_ACTIONS = "irc-ubuntu-meeting-2010-11.actions.json"
LETTERS = "email-intent-train.tsv"
NEAR = 10
"""Lines from where an action was recorded within which a proposal has to cite something."""
SENTENCES = 50
"""Of letters, that make one conversation of the report."""
_COMMAND = re.compile(r"\s*(?:#\w+\b|\[(?:topic|action|link|idea|agreed|vote|endvote)\])", re.IGNORECASE)
_WORD = re.compile(r"[\w'\-]{3,}")
_EVERYDAY = frozenset(["and", "for", "his", "that", "the", "please", "from", "out", "why", "next", "have", "had"])
_STEM = 6
_APART = timedelta(hours=7)
_START = datetime(2026, 2, 2, 9, tzinfo=UTC)


class _Action(BaseModel):
    """An action of the minutes: `text` begins with who took it, `line` is where it was recorded."""

    line: int
    text: str


def meetings(folder: Path) -> Iterator[Talk]:
    """The talk of the channel, its tasks the actions of the minutes."""
    entries = [entry for entry in read(folder / MEETING_LOG, ReadOptions()) if isinstance(entry, Found)]
    said = {
        int(entry.position.removeprefix("line ")): entry.message
        for entry in entries
        if not (entry.message.is_bot or entry.message.is_system or _COMMAND.match(entry.message.content))
    }
    actions = TypeAdapter(list[_Action]).validate_json((folder / MEETING_ACTIONS).read_bytes())
    tasks = tuple(_task(number, action, said) for number, action in enumerate(actions))
    (channel,) = {message.channel for message in said.values()}
    yield Talk(channel, "meeting", tuple(said.values()), tasks, frozenset())


def _task(number: int, action: _Action, said: dict[int, IncomingMessage]) -> GoldTask:
    owner, *words = _WORD.findall(action.text)
    near = [message for line, message in said.items() if abs(line - action.line) <= NEAR]
    authors = {message.author.lower(): message.author for message in said.values()}
    return GoldTask(
        id=str(number),
        title=action.text,
        owner=authors.get(owner.lower(), owner),
        channel=near[0].channel,
        evidence=tuple(message.external_id for message in near),
        kind="case",
        keywords=tuple(dict.fromkeys(word.lower()[:_STEM] for word in words if word.lower() not in _EVERYDAY)),
    )


def letters(folder: Path) -> Iterator[Talk]:
    """The sentences, each a message to which nobody says anything. Those that ask are the tasks, nobody's."""
    labelled = list(read_letters(folder / LETTERS))
    for start in range(0, len(labelled), SENTENCES):
        yield _letters(f"letters-{start // SENTENCES:03}", labelled[start : start + SENTENCES])


def _letters(channel: str, labelled: Sequence[tuple[bool, str]]) -> Talk:
    messages = tuple(
        IncomingMessage(channel, str(at), "Writer", _START + at * _APART, sentence)
        for at, (_, sentence) in enumerate(labelled)
    )
    tasks = tuple(
        GoldTask(f"{channel}:{at}", sentence, None, channel, (str(at),), "case", keywords=())
        for at, (asks, sentence) in enumerate(labelled)
        if asks
    )
    return Talk(channel, "letters", messages, tasks, frozenset(), owners_known=False)
