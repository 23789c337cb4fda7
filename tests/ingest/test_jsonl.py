"""One JSON object a line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.entries import Found, ReadOptions, Skipped
from ingest.jsonl import JSONL, parse
from models.conversation import IncomingMessage

LINE = {
    "source": "team",
    "channel": "general",
    "external_id": "1",
    "author": "ann",
    "sent_at": "2026-03-10T09:00:00Z",
    "content": "please fix the login",
}


def one(line: dict[str, object] | bytes) -> Found | Skipped:
    [entry] = parse([(7, line if isinstance(line, bytes) else json.dumps(line).encode())])
    return entry


def test_a_line_has_the_fields_of_a_posted_message() -> None:
    entry = one({**LINE, "thread_id": "t", "reply_to": "r", "is_bot": True})
    assert entry == Found(
        IncomingMessage(
            channel="general",
            external_id="1",
            author="ann",
            sent_at=datetime(2026, 3, 10, 9, tzinfo=UTC),
            content="please fix the login",
            thread_id="t",
            reply_to="r",
            is_bot=True,
        ),
        "line 7",
        source="team",
    )


def test_the_time_becomes_utc_and_its_offset_is_kept() -> None:
    entry = one({**LINE, "sent_at": "2026-03-10T09:00:00+02:00"})
    assert isinstance(entry, Found)
    assert entry.message.sent_at.isoformat() == "2026-03-10T07:00:00+00:00"
    assert entry.message.utc_offset == 120


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({**LINE, "sent_at": "2026-03-10T09:00:00"}, "invalid_time"),
        ({**LINE, "sent_at": "2026-03-10"}, "invalid_time"),
        ({**LINE, "sent_at": 1773133200}, "invalid_time"),
        ({**LINE, "sent_at": "yesterday"}, "invalid_time"),
        ({**LINE, "sent_at": "0001-01-01T00:00:00+14:00"}, "invalid_time"),
        ({key: LINE[key] for key in LINE if key != "content"}, "missing_field"),
        ({**LINE, "thread": "t"}, "unknown_field"),
        ({**LINE, "author": 5}, "invalid_field"),
        ({**LINE, "is_bot": "yes"}, "invalid_field"),
        (b"{not json", "invalid_json"),
        (b'{"channel": "\xff"}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"9" * 100_000, "invalid_json"),
        (b"[1]", "not_an_object"),
        (b"null", "not_an_object"),
    ],
)
def test_a_bad_line_is_skipped_with_its_number_and_reason(line: dict[str, object] | bytes, reason: str) -> None:
    entry = one(line)
    assert isinstance(entry, Skipped)
    assert (entry.position, entry.reason) == ("line 7", reason)


def test_the_detail_names_the_field_and_not_what_stands_in_it() -> None:
    entry = one({**LINE, "content": 12345})
    assert isinstance(entry, Skipped)
    assert "content" in entry.detail
    assert "12345" not in entry.detail


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(LINE).encode() + b"\r\n\n  \n" + json.dumps(LINE).encode())
    found = list(JSONL.read(file, ReadOptions()))
    assert [entry.position for entry in found] == ["line 1", "line 4"]
    assert all(isinstance(entry, Found) for entry in found)


json_values: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 1, 10**40, 1.5, "", "x", "2026-03-10T09:00:00Z", [], {}, [[1]]]
)
json_lines = st.fixed_dictionaries({}, optional=dict.fromkeys([*LINE, "is_bot", "odd"], json_values))


@given(st.binary() | json_lines.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_the_reader_fail(line: bytes) -> None:
    found = list(parse([(1, line)]))
    assert len(found) == bool(line.strip())


@given(st.datetimes(), st.text(min_size=1))
def test_what_a_posted_message_says_is_what_is_found(moment: datetime, content: str) -> None:
    entry = one({**LINE, "sent_at": moment.replace(tzinfo=UTC).isoformat(), "content": content})
    assert isinstance(entry, Found)
    assert entry.message.sent_at == moment.replace(tzinfo=UTC)
    assert entry.message.content == content
