"""A Slack export: the zip as it was downloaded, or the folder that it unpacks to.

At its root stand `users.json` and the lists of channels, and for each channel a folder named after it (direct
messages: after its id) with one file a day. A message is known by channel and `ts`, which stays the text that it is.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from errors import Unprocessable
from ingest.archive import READ_ERRORS, Archive, open_archive
from ingest.entries import Entry, Format, Found, ReadOptions, Skipped
from ingest.json_values import BadJsonError, array_items, parse_json
from ingest.slack_schema import Conversation, File, SlackMessage, User
from ingest.slack_text import plain_text, without_tokens
from models.conversation import IncomingMessage, utc_offset

CONVERSATION_LISTS = ("channels.json", "groups.json", "mpims.json", "dms.json")
USER_LISTS = ("users.json", "org_users.json")

_CHANNEL_EVENTS = (
    *("join", "leave", "topic", "purpose", "name", "archive", "unarchive"),
    *("posting_permissions", "convert_to_private", "convert_to_public"),
)
_OTHER_EVENTS = ("bot_add", "bot_remove", "pinned_item", "unpinned_item", "reminder_add", "sh_room_created")
SYSTEM_SUBTYPES = frozenset(
    [*_OTHER_EVENTS, *(f"{place}_{event}" for place in ("channel", "group") for event in _CHANNEL_EVENTS)]
)
"""What Slack itself says about a channel."""
DELETED_SUBTYPES = frozenset({"tombstone", "message_deleted"})
SLACKBOT = "USLACKBOT"

_DAY_FILE = re.compile(r"[^/]+/\d{4}-\d\d-\d\d\.json", re.ASCII)
_TS = re.compile(r"(\d{1,11})\.(\d{1,6})", re.ASCII)
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass
class _Workspace:
    """Ids and what people call them."""

    people: dict[str, str] = field(default_factory=dict)
    bots: set[str] = field(default_factory=lambda: {SLACKBOT})
    channels: dict[str, str] = field(default_factory=dict)
    clocks: dict[str, tzinfo] = field(default_factory=dict)

    def author(self, message: SlackMessage, user: str | None) -> str | None:
        if user is None or self.is_bot(message, user):
            name = message.username or (message.bot_profile.name if message.bot_profile else None)
            if name:
                return name
        profile_name = message.user_profile.shown_name() if message.user_profile else None
        return self.people.get(user or "") or profile_name or user or message.bot_id

    def is_bot(self, message: SlackMessage, user: str | None) -> bool:
        return message.subtype == "bot_message" or bool(message.bot_id) or user in self.bots


def read(path: Path, _options: ReadOptions) -> Generator[Entry, None, None]:
    with open_archive(path) as archive:
        days = sorted(name for name in archive.names if _DAY_FILE.fullmatch(name))
        _expect_an_export(archive, days)
        workspace = _Workspace()
        yield from _learn(archive, workspace)
        for name in sorted(set(archive.names).difference(days)):
            if "/" in name:
                yield Skipped(name, "unknown_file")
        for name in days:
            yield from _day(archive, name, workspace)


def _expect_an_export(archive: Archive, days: list[str]) -> None:
    if days or any(name in archive.names for name in CONVERSATION_LISTS):
        return
    for name in archive.names:
        folder, _, rest = name.partition("/")
        if rest in CONVERSATION_LISTS or _DAY_FILE.fullmatch(rest):
            raise Unprocessable(
                "nested_export", f"The export lies inside the folder {folder[:200]!r}: import that folder by itself."
            )
    raise Unprocessable("not_a_slack_export", "There is neither a channels.json nor a CHANNEL/YYYY-MM-DD.json.")


def _learn(archive: Archive, workspace: _Workspace) -> Iterator[Skipped]:
    """Fills the workspace from the lists at the root; yields what can't be read of them."""
    for name in USER_LISTS:
        for _, user in _items(archive, name, User):
            if isinstance(user, Skipped):
                yield user
                continue
            workspace.people[user.id] = user.shown_name()
            if (clock := user.clock()) is not None:
                workspace.clocks[user.id] = clock
            if user.is_bot:
                workspace.bots.add(user.id)
    for name in CONVERSATION_LISTS:
        for _, conversation in _items(archive, name, Conversation):
            if isinstance(conversation, Skipped):
                yield conversation
            elif conversation.name:
                workspace.channels[conversation.id] = conversation.name


def _items(archive: Archive, name: str, model: type[_Model]) -> Iterator[tuple[str, _Model | Skipped]]:
    """The items of one file with their positions; nothing where the archive lacks the file."""
    if name not in archive.names:
        return
    position = name
    try:
        with archive.open(name) as stream:
            for number, item in enumerate(array_items(stream), start=1):
                position = f"{name} item {number}"
                yield position, _item(position, item, model)
    except (BadJsonError, *READ_ERRORS) as error:
        yield position, Skipped(name, "unreadable_file", f"after {position}: {error}")


def _item(position: str, item: bytes, model: type[_Model]) -> _Model | Skipped:
    try:
        return model.model_validate(parse_json(item))
    except BadJsonError as error:
        return Skipped(position, "invalid_json", str(error))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        return Skipped(position, "invalid_item", f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")


def _day(archive: Archive, name: str, workspace: _Workspace) -> Iterator[Entry]:
    channel = name.partition("/")[0]
    for position, item in _items(archive, name, SlackMessage):
        yield item if isinstance(item, Skipped) else _message(item, channel, position, workspace)


def _message(message: SlackMessage, channel: str, position: str, workspace: _Workspace) -> Entry:
    if message.type != "message":
        return Skipped(position, "not_a_message", message.type[:80])
    if message.subtype in DELETED_SUBTYPES:
        return Skipped(position, "deleted")
    sent_at = _time(message.ts)
    if sent_at is None:
        return Skipped(position, "invalid_time", f"ts {message.ts[:40]!r}")
    user = message.user or (message.comment.user if message.comment else None)
    author = workspace.author(message, user)
    if author is None:
        return Skipped(position, "no_author")
    incoming = IncomingMessage(
        channel=channel,
        external_id=message.ts,
        author=author,
        sent_at=sent_at,
        content=_content(message, workspace),
        thread_id=message.thread_ts,
        reply_to=message.thread_ts if message.thread_ts != message.ts else None,
        is_bot=workspace.is_bot(message, user),
        is_system=message.subtype in SYSTEM_SUBTYPES,
        utc_offset=utc_offset(sent_at.astimezone(workspace.clocks.get(user or "", UTC))),
    )
    return Found(incoming, position)


def _time(ts: str) -> datetime | None:
    """`1355517523.000005` as a moment, to the microsecond. Never by way of a float, which can't hold it."""
    match = _TS.fullmatch(ts)
    if match is None:
        return None
    try:
        return datetime.fromtimestamp(int(match[1]), UTC) + timedelta(microseconds=int(match[2].ljust(6, "0")))
    except (ValueError, OverflowError, OSError):
        return None


def _content(message: SlackMessage, workspace: _Workspace) -> str:
    """The text and the files' names and addresses; what only stands in attachments, as apps write, if that is all."""
    files = [message.file, *message.files] if message.file else message.files
    parts = [message.text or "", *(_file_line(file) for file in files)]
    if not any(parts):
        parts = [attachment.text or attachment.fallback or "" for attachment in message.attachments]
    text = "\n".join(part for part in parts if part)
    return plain_text(text, people=workspace.people, channels=workspace.channels)


def _file_line(file: File) -> str:
    words = [file.title or file.name or "", without_tokens(file.url_private or "").partition("?")[0]]
    return " ".join(["file:", *filter(None, words)]) if any(words) else ""


SLACK = Format("slack", "slack", read)
