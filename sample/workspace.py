"""Where the sample workspace lies and what is true about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter

MessageRef = tuple[str, str]
"""A message as Slack names it: its channel and its `ts`."""

TaskKind = Literal[
    "accepted_request",
    "assigned",
    "bug_report",
    "case",
    "context_owner",
    "other_language",
    "reassigned",
    "spread",
    "two_in_one",
    "unassigned",
    "volunteered",
]
TrapKind = Literal[
    "bot",
    "deferred",
    "done",
    "hypothetical",
    "injection",
    "instruction",
    "joke",
    "log_output",
    "outsider",
    "question",
    "refused",
    "sarcasm",
    "social",
    "undecided",
    "vague_wish",
    "withdrawn",
]

WINDOW: Final = (datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 12, tzinfo=UTC))
"""The half-open window `[start, end)` of the two days that the export covers."""

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class GoldTask:
    """A task that somebody took on, or that the team agreed on, in the messages `evidence`.

    `owner` is an author as the import names them, None where nobody took it. `keywords` are lower-case word stems.
    """

    id: str
    title: str
    owner: str | None
    channel: str
    evidence: tuple[str, ...]
    kind: TaskKind
    keywords: tuple[str, ...]
    due: date | None = None

    def refs(self) -> frozenset[MessageRef]:
        """The messages of which a right proposal cites at least one."""
        return frozenset((self.channel, ts) for ts in self.evidence)


@dataclass(frozen=True, slots=True)
class Trap:
    """Messages that look like a task and are none."""

    id: str
    kind: TrapKind
    channel: str
    ts: tuple[str, ...]

    def refs(self) -> frozenset[MessageRef]:
        """The messages of the trap."""
        return frozenset((self.channel, ts) for ts in self.ts)


@dataclass(frozen=True, slots=True)
class Gold:
    """The truth about the sample workspace."""

    tasks: tuple[GoldTask, ...]
    traps: tuple[Trap, ...]


@dataclass(frozen=True, slots=True)
class _User:
    id: str
    is_bot: bool


@dataclass(frozen=True, slots=True)
class _Message:
    ts: str
    user: str | None = None
    bot_id: str | None = None


def export_path() -> Path:
    """The folder of the Slack export."""
    return _HERE / "export"


@cache
def gold() -> Gold:
    """The gold tasks and traps of `gold.json`."""
    return TypeAdapter(Gold).validate_json((_HERE / "gold.json").read_bytes())


@cache
def bot_messages() -> frozenset[MessageRef]:
    """Every message of the export that a program wrote, Slackbot's included."""
    users = TypeAdapter(list[_User]).validate_json((export_path() / "users.json").read_bytes())
    bots = {user.id for user in users if user.is_bot or user.id == "USLACKBOT"}
    return frozenset(
        (channel, message.ts) for channel, message in _messages() if message.bot_id is not None or message.user in bots
    )


def _messages() -> Iterator[tuple[str, _Message]]:
    reader = TypeAdapter(list[_Message])
    for path in sorted(export_path().glob("*/*.json")):
        for message in reader.validate_json(path.read_bytes()):
            yield path.parent.name, message
