"""What an importer finds in a file, in the words that all importers share."""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from models.conversation import IncomingMessage
from models.values import SourceType

BOT_NICK = re.compile(r"bot(?:t?u)?[\d_`^|-]*$", re.IGNORECASE)
"""Names of bots in formats that don't mark them: MootBot, matrixbot, meetbot_2, and Ubuntu's family ubottu, lubotu."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message and where it stands. `source` is the name that the file itself gives, where a format has one;
    `repaired` tells that bytes which were no text were replaced by U+FFFD."""

    message: IncomingMessage
    position: str
    source: str | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that did not become a message. `reason` is snake_case and counted, `detail` is for a person."""

    position: str
    reason: str
    detail: str = ""


Entry = Found | Skipped


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """`name` is the file's own name without its ending, which a temporary copy has lost; `channel` is for formats
    that don't name theirs; `bot_nick` finds the names of bots where a format doesn't mark them."""

    name: str | None = None
    channel: str | None = None
    bot_nick: re.Pattern[str] = BOT_NICK


Reader = Callable[[Path, ReadOptions], Generator[Entry, None, None]]
"""Reads one export from beginning to end without holding it in memory.

Faults of single messages are `Skipped`; only what makes the whole file unusable is raised, as `errors.Refusal`. The
generator is closed when it is no longer needed, and closes the file.
"""


@dataclass(frozen=True, slots=True)
class Format:
    """One export format: how it is read, and the type of a source that it makes."""

    name: str
    source_type: SourceType
    read: Reader
