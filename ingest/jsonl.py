"""One JSON object a line, with the fields of `POST /messages`."""

from collections.abc import Generator, Iterable, Iterator
from datetime import UTC
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.entries import Entry, Format, Found, ReadOptions, Skipped
from ingest.json_values import BadJsonError, parse_json
from ingest.lines import opened, read_lines
from models.base import AwareTime
from models.conversation import IncomingMessage, utc_offset

REASONS = {"missing": "missing_field", "extra_forbidden": "unknown_field"}
"""Pydantic's type of a fault → the reason that is counted."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    source: str | None = None
    channel: str
    external_id: str
    author: str
    sent_at: AwareTime
    content: str
    thread_id: str | None = None
    reply_to: str | None = None
    is_bot: bool = False

    def message(self) -> IncomingMessage:
        """Raises OverflowError for a time that has no equivalent in UTC."""
        return IncomingMessage(
            channel=self.channel,
            external_id=self.external_id,
            author=self.author,
            sent_at=self.sent_at.astimezone(UTC),
            content=self.content,
            thread_id=self.thread_id,
            reply_to=self.reply_to,
            is_bot=self.is_bot,
            utc_offset=utc_offset(self.sent_at),
        )


def parse(lines: Iterable[tuple[int, bytes | None]]) -> Iterator[Entry]:
    """The messages of numbered lines; blank lines are passed over."""
    for number, line in lines:
        if line is None:
            yield Skipped(f"line {number}", "line_too_long")
        elif line.strip():
            yield _entry(f"line {number}", line)


def _entry(position: str, line: bytes) -> Entry:
    try:
        value = parse_json(line)
    except BadJsonError as error:
        return Skipped(position, "invalid_json", str(error))
    if not isinstance(value, dict):
        return Skipped(position, "not_an_object")
    try:
        parsed = _Line.model_validate(value)
        return Found(parsed.message(), position, source=parsed.source)
    except ValidationError as error:
        return _refused(position, error)
    except OverflowError:
        return Skipped(position, "invalid_time", "the time has no equivalent in UTC")


def _refused(position: str, error: ValidationError) -> Skipped:
    """The first fault of the line, named by the field. The value itself is left out: it may be private."""
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    otherwise = "invalid_time" if field == "sent_at" else "invalid_field"
    return Skipped(position, REASONS.get(fault["type"], otherwise), f"{field[:80]}: {fault['msg']}")


def read(path: Path, _options: ReadOptions) -> Generator[Entry, None, None]:
    with opened(path) as stream:
        yield from parse(read_lines(stream))


JSONL = Format("jsonl", "api", read)
