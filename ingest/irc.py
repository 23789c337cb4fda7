"""IRC and Gitter logs in two layouts, times in UTC:

`CHANNEL 2010-11-08 [13:21] <nick> text` and `[2016-01-04 19:59:51] <nick> text`. In both, `* nick waves` is a message
of the nick, `-nick- text` is one of a bot (IRC's NOTICE, which people's clients don't send), and `=== nick has joined`
is the server's. That may lack its time and then has the time of the line before. An indented line continues the
message above it. The text is kept as it stands; bytes that are no UTF-8 are replaced.
"""

import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from db.messages import MAX_CONTENT_CHARS
from ingest.entries import Entry, Format, Found, ReadOptions, Skipped
from ingest.lines import opened, read_lines
from models.conversation import IncomingMessage

SERVER = "server"
"""The author of what the server says."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Kind = Literal["said", "action", "notice", "system"]

_STAMP = re.compile(
    r"(?:(?P<channel>\S+) (?P<day>\d{4}-\d\d-\d\d)(?: \[(?P<clock>\d\d:\d\d(?::\d\d)?)\])?"
    r"|\[(?P<moment>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\]) +",
    re.ASCII,
)
_SAID = re.compile(r"<[ @+%&~]?(?P<nick>[^<>]+)>(?: (?P<text>.*))?", re.DOTALL)
_ACTION = re.compile(r"\* (?P<nick>\S+)(?: (?P<text>.*))?", re.DOTALL)
_NOTICE = re.compile(r"-(?P<nick>[^\s-]\S*)- (?P<text>.*)", re.DOTALL)
_SYSTEM = re.compile(r"=== (?P<text>.*)", re.DOTALL)
_ABOUT_THE_CHANNEL = re.compile(r"(?:has (?:joined|left|quit)|is now known as|was kicked by|sets mode)\b")


@dataclass(slots=True)
class _Pending:
    """The message that the next line may continue."""

    position: str
    channel: str
    external_id: str
    author: str
    sent_at: datetime
    is_bot: bool
    is_system: bool
    repaired: bool
    parts: list[str]
    length: int

    def add(self, text: str, *, repaired: bool) -> None:
        """One more line of the same message. What is over the bound anyway is not collected."""
        if self.length <= MAX_CONTENT_CHARS:
            self.parts.append(text)
            self.length += len(text) + 1
        self.repaired |= repaired

    def found(self) -> Found:
        message = IncomingMessage(
            channel=self.channel,
            external_id=self.external_id,
            author=self.author,
            sent_at=self.sent_at,
            content="\n".join(self.parts),
            is_bot=self.is_bot,
            is_system=self.is_system,
        )
        return Found(message, self.position, repaired=self.repaired)


@dataclass(slots=True)
class _Channel:
    """What is remembered of a channel: its present day, the latest time on it, and its lines so far."""

    day: str = ""
    latest: datetime = EPOCH
    seen: Counter[bytes] = field(default_factory=Counter)

    def move_to(self, day: str, sent_at: datetime) -> None:
        if day != self.day:
            self.seen.clear()
        self.day, self.latest = day, sent_at

    def identify(self, *parts: str) -> str:
        """The id of a line that has none: a hash of what it says, and an ordinal among the same lines of that day.
        So a file that has grown gives its old lines their old ids, and overlapping files give each line once."""
        key = blake2b("\0".join(parts).encode(), digest_size=16)
        self.seen[key.digest()] += 1
        return f"{key.hexdigest()}-{self.seen[key.digest()]}"


class _Log:
    """Reads lines in their order. `line` returns the message that the given line completes, or why it is none."""

    def __init__(self, options: ReadOptions, channel: str) -> None:
        self.options = options
        self.channel = channel
        self.channels: dict[str, _Channel] = {}
        self.pending: _Pending | None = None

    def line(self, number: int, line: bytes | None) -> Iterator[Entry]:
        position = f"line {number}"
        if line is None:
            yield from self.finish()
            yield Skipped(position, "line_too_long")
            return
        text = line.decode(errors="replace")
        repaired = "\ufffd" in text and "\ufffd".encode() not in line
        if not text.strip():
            return
        if text[0] in " \t" and self.pending:
            self.pending.add(text, repaired=repaired)
            return
        yield from self.finish()
        entry = self._begin(position, text, repaired=repaired)
        if isinstance(entry, Skipped):
            yield entry
        else:
            self.pending = entry

    def finish(self) -> Iterator[Found]:
        """The last message, which no line can continue any more."""
        if self.pending:
            yield self.pending.found()
            self.pending = None

    def _begin(self, position: str, line: str, *, repaired: bool) -> _Pending | Skipped:
        stamp = _STAMP.match(line)
        body = _body(line[stamp.end() :]) if stamp else None
        if stamp is None or body is None:
            return Skipped(position, "unrecognised_line", line[:80])
        kind, nick, text = body
        name = stamp["channel"] or self.channel
        channel = self.channels.setdefault(name, _Channel())
        day = stamp["day"] or stamp["moment"][:10]
        try:
            sent_at = _time(stamp, channel, day)
        except ValueError:
            return Skipped(position, "invalid_time", line[:80])
        channel.move_to(day, sent_at)
        written_time = stamp["moment"] or f"{day} {stamp['clock'] or ''}"
        return _Pending(
            position=position,
            channel=name,
            external_id=channel.identify(written_time, kind, nick, text),
            author=nick,
            sent_at=sent_at,
            is_bot=kind == "notice" or bool(self.options.bot_nick.search(nick)),
            is_system=kind == "system",
            repaired=repaired,
            parts=[text],
            length=len(text),
        )


def _time(stamp: re.Match[str], channel: _Channel, day: str) -> datetime:
    """Raises ValueError for what is no date or time. A line without a time has that of the line before it."""
    if stamp["clock"] is None and stamp["moment"] is None and day == channel.day:
        return channel.latest
    return datetime.fromisoformat(stamp["moment"] or f"{day} {stamp['clock'] or '00:00'}").replace(tzinfo=UTC)


def _body(text: str) -> tuple[Kind, str, str] | None:
    """(kind, nick, text) of what stands after the time."""
    if said := _SAID.match(text):
        return "said", said["nick"], said["text"] or ""
    if action := _ACTION.match(text):
        words = action["text"] or ""
        if _ABOUT_THE_CHANNEL.match(words):
            return "system", SERVER, f"{action['nick']} {words}"
        return "action", action["nick"], words
    if notice := _NOTICE.match(text):
        return "notice", notice["nick"], notice["text"]
    if system := _SYSTEM.match(text):
        return "system", SERVER, system["text"]
    return None


def parse(lines: Iterable[tuple[int, bytes | None]], options: ReadOptions, *, channel: str) -> Iterator[Entry]:
    """The messages of numbered lines; `channel` is that of the layout which names none."""
    log = _Log(options, channel)
    for number, line in lines:
        yield from log.line(number, line)
    yield from log.finish()


def read(path: Path, options: ReadOptions) -> Generator[Entry, None, None]:
    with opened(path) as stream:
        yield from parse(read_lines(stream), options, channel=options.channel or options.name or path.stem)


IRC = Format("irc", "irc", read)
