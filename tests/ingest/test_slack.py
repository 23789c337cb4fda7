"""Slack exports, as a zip and as a folder, honest and hostile."""

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from errors import Unprocessable
from ingest.entries import Entry, Found, ReadOptions, Skipped
from ingest.slack import SLACK
from models.conversation import IncomingMessage

USERS: list[dict[str, object]] = [
    {"id": "U1", "name": "ann", "real_name": "Ann Archer", "profile": {"display_name": "annie", "real_name": "Ann A."}},
    {"id": "U2", "name": "bob", "real_name": "Bob Baker", "profile": {"display_name": "", "real_name": "Bob Baker"}},
    {"id": "U3", "name": "builder", "is_bot": True, "profile": {"real_name": "Builder"}},
]
CHANNELS = [{"id": "C1", "name": "general"}, {"id": "C2", "name": "ops"}]
DAY = "general/2026-03-10.json"
TS = "1773133200.000200"


def files(*messages: Mapping[str, object], **others: object) -> dict[str, object]:
    return {"users.json": USERS, "channels.json": CHANNELS, DAY: list(messages), **others}


def write_folder(folder: Path, content: Mapping[str, object]) -> Path:
    for name, value in content.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return folder


def write_zip(path: Path, content: Mapping[str, object]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value if isinstance(value, bytes) else json.dumps(value))
    return path


def said(text: str = "hello there", **fields: object) -> dict[str, object]:
    return {"type": "message", "user": "U1", "text": text, "ts": TS, **fields}


def read(path: Path) -> list[Entry]:
    return list(SLACK.read(path, ReadOptions()))


@pytest.fixture
def workspace(tmp_path: Path) -> "Workspace":
    return Workspace(tmp_path)


class Workspace:
    """Reads messages of one day by way of a zip on the disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "export.zip"

    def entry(self, **fields: object) -> Entry:
        [entry] = read(write_zip(self.path, files({**said(), **fields})))
        return entry

    def message(self, **fields: object) -> IncomingMessage:
        entry = self.entry(**fields)
        assert isinstance(entry, Found), entry
        return entry.message


def test_a_message_is_known_by_channel_and_ts_to_the_microsecond(workspace: Workspace) -> None:
    assert workspace.message() == IncomingMessage(
        channel="general",
        external_id=TS,
        author="annie",
        sent_at=datetime(2026, 3, 10, 9, 0, 0, 200, tzinfo=UTC),
        content="hello there",
    )


@pytest.mark.parametrize(
    ("clock", "offset"),
    [
        ({}, 0),
        ({"tz": "America/New_York", "tz_offset": -18_000}, -240),  # which had summer by then
        ({"tz": "Mars/Olympus", "tz_offset": -18_000}, -300),
        ({"tz": "../../etc/passwd", "tz_offset": 19_800}, 330),
        ({"tz": "America"}, 0),
        ({"tz": "", "tz_offset": 10**9}, 0),
    ],
)
def test_a_message_keeps_the_clock_of_its_author(workspace: Workspace, clock: dict[str, object], offset: int) -> None:
    users = [USERS[0] | clock, *USERS[1:]]
    [entry] = read(write_zip(workspace.path, files(said(), **{"users.json": users})))
    assert isinstance(entry, Found)
    assert entry.message.utc_offset == offset
    assert entry.message.sent_at == datetime(2026, 3, 10, 9, 0, 0, 200, tzinfo=UTC)


@pytest.mark.parametrize("ts", [1773133200.0002, 1773133200, "yesterday", "1773133200", "999999999999.000000", "1.2.3"])
def test_a_ts_that_is_not_text_of_seconds_and_micros_is_skipped(workspace: Workspace, ts: object) -> None:
    entry = workspace.entry(ts=ts)
    assert isinstance(entry, Skipped)
    assert entry.position == f"{DAY} item 1"


def test_folder_and_zip_say_the_same(tmp_path: Path) -> None:
    content = files(said(), said("again", ts="1773133300.000100"))
    as_zip = read(write_zip(tmp_path / "export.zip", content))
    as_folder = read(write_folder(tmp_path / "export", content))
    assert as_zip == as_folder
    assert len(as_zip) == 2


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<@U1> and <@U2|bobby>: see <#C2|old> or <#C9|else>", "@annie and @Bob Baker: see #ops or #else"),
        ("<@U9> <#C8> <#C8|>", "@U9 #C8 #C8"),
        ("<https://a.example/x?a=1&amp;b=2|the spec>", "the spec (https://a.example/x?a=1&b=2)"),
        ("<https://a.example>", "https://a.example"),
        ("<http://a.example|a.example>", "http://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<!here> <!channel> <!subteam^S1|@ops> <!here|here>", "@here @channel @ops @here"),
        ("<!date^1392734382^Posted {date}|Feb 18>", "Feb 18"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("<https://files.slack.com/a.pdf?t=xoxe-1-secret&amp;x=1>", "https://files.slack.com/a.pdf?x=1"),
        ("<https://[broken?t=xoxb-secret>", "https://[broken?t="),
    ],
)
def test_markup_becomes_plain_text(workspace: Workspace, written: str, shown: str) -> None:
    assert workspace.message(text=written).content == shown


def test_replies_know_their_thread(workspace: Workspace) -> None:
    parent = workspace.message(thread_ts=TS)
    assert (parent.thread_id, parent.reply_to) == (TS, None)
    reply = workspace.message(thread_ts="1773133000.000100")
    assert (reply.thread_id, reply.reply_to) == ("1773133000.000100", "1773133000.000100")


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic", "channel_name", "group_leave", "bot_add"])
def test_what_slack_says_about_a_channel_is_marked_as_such(workspace: Workspace, subtype: str) -> None:
    message = workspace.message(subtype=subtype, text="<@U1> has joined")
    assert message.is_system
    assert message.content == "@annie has joined"


@pytest.mark.parametrize("subtype", ["thread_broadcast", "me_message", "file_share"])
def test_other_subtypes_are_messages_of_people(workspace: Workspace, subtype: str) -> None:
    message = workspace.message(subtype=subtype)
    assert not message.is_system
    assert not message.is_bot


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ({"subtype": "bot_message", "user": None, "bot_id": "B1", "username": "deploys"}, "deploys"),
        ({"user": None, "bot_id": "B1", "bot_profile": {"name": "CI"}}, "CI"),
        ({"user": None, "bot_id": "B1"}, "B1"),
        ({"user": "U3"}, "Builder"),
        ({"user": "USLACKBOT"}, "USLACKBOT"),
    ],
)
def test_bots_are_marked_and_named(workspace: Workspace, fields: dict[str, object], author: str) -> None:
    message = workspace.message(**fields)
    assert message.is_bot
    assert message.author == author


def test_a_guest_of_another_workspace_is_named_by_the_message(workspace: Workspace) -> None:
    assert workspace.message(user="U77", user_profile={"display_name": "guest"}).author == "guest"
    assert workspace.message(user="U78").author == "U78"


def test_the_text_of_an_edited_message_is_the_edited_one(workspace: Workspace) -> None:
    assert workspace.message(text="now right", edited={"user": "U1", "ts": "1773133900.000000"}).content == "now right"


@pytest.mark.parametrize("subtype", ["tombstone", "message_deleted"])
def test_deleted_messages_are_skipped(workspace: Workspace, subtype: str) -> None:
    assert workspace.entry(subtype=subtype) == Skipped(f"{DAY} item 1", "deleted")


def test_files_are_told_without_the_tokens_of_their_links(workspace: Workspace) -> None:
    shared = [{"id": "F1", "title": "Plan", "url_private": "https://files.slack.com/f/plan.pdf?t=xoxe-123-secret"}]
    message = workspace.message(text="the plan", files=[*shared, {"id": "F2", "mode": "tombstone"}])
    assert message.content == "the plan\nfile: Plan https://files.slack.com/f/plan.pdf"


def test_what_an_app_says_only_in_attachments_is_its_text(workspace: Workspace) -> None:
    message = workspace.message(text="", bot_id="B1", attachments=[{"fallback": "Build failed"}, {"text": "see log"}])
    assert message.content == "Build failed\nsee log"
    assert workspace.message(text="look", attachments=[{"text": "preview"}]).content == "look"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "event"}, "not_a_message"),
        ({"user": None}, "no_author"),
        ({"text": 5}, "invalid_item"),
        ({"files": "x"}, "invalid_item"),
    ],
)
def test_an_odd_message_is_skipped_with_its_reason(
    workspace: Workspace, fields: dict[str, object], reason: str
) -> None:
    entry = workspace.entry(**fields)
    assert isinstance(entry, Skipped)
    assert entry.reason == reason


def test_direct_messages_stand_in_folders_named_by_id(tmp_path: Path) -> None:
    content = {"dms.json": [{"id": "D1", "members": ["U1", "U2"]}], "D1/2026-03-10.json": [said()]}
    [entry] = read(write_zip(tmp_path / "x.zip", content))
    assert isinstance(entry, Found)
    assert entry.message.channel == "D1"


def test_a_broken_day_is_reported_and_the_other_days_are_read(tmp_path: Path) -> None:
    cut = json.dumps([said(), said("two")]).encode()[:-10]
    content = {**files(), DAY: cut, "ops/2026-03-10.json": [said("fine")], "ops/2026-03-11.json": b"\xff\xfe"}
    found = read(write_zip(tmp_path / "x.zip", content))
    kept = [entry.message.content for entry in found if isinstance(entry, Found)]
    skipped = [(entry.position, entry.reason) for entry in found if isinstance(entry, Skipped)]
    assert kept == ["hello there", "fine"]
    assert skipped == [(DAY, "unreadable_file"), ("ops/2026-03-11.json", "unreadable_file")]


def test_files_that_no_export_has_are_told(tmp_path: Path) -> None:
    content = files(said(), **{"general/canvas.json": [], "general/deep/2026-03-10.json": [], "canvases.json": []})
    found = read(write_zip(tmp_path / "x.zip", content))
    assert [e.position for e in found if isinstance(e, Skipped)] == [
        "general/canvas.json",
        "general/deep/2026-03-10.json",
    ]


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "general/../../evil.json", "/etc/x.json", "a\\..\\b.json", "C:/x.json", "a//b.json", "a\nb"],
)
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "x.zip", {**files(said()), name: []})
    with pytest.raises(Unprocessable, match="suspicious name") as refused:
        read(path)
    assert refused.value.code == "unsafe_archive"


def test_a_name_that_hides_behind_a_nul_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {**files(said()), "general/innocent#.json": []})
    path.write_bytes(path.read_bytes().replace(b"innocent#", b"innocent\0"))
    with pytest.raises(Unprocessable, match="suspicious name"):
        read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", files(said()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(DAY, "[]")
    with pytest.raises(Unprocessable, match="twice"):
        read(path)


def test_links_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", files(said()))
    link = zipfile.ZipInfo("general/2026-03-11.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(Unprocessable, match="is a link"):
        read(path)
    folder = write_folder(tmp_path / "folder", files(said()))
    (folder / "general" / "2026-03-11.json").symlink_to("/etc/passwd")
    with pytest.raises(Unprocessable, match="is a link"):
        read(folder)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {**files(said()), "general/2026-03-11.json": b" " * 20_000_000})
    with pytest.raises(Unprocessable, match="zip bomb") as refused:
        read(path)
    assert refused.value.code == "unsafe_archive"


def test_an_archive_that_lies_about_its_sizes_is_read_no_further_than_it_says(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"ops/2026-03-10.json": [said()], DAY: b"[" + b" " * 900_000 + b"]"})
    true_size = (900_002).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true_size, (10).to_bytes(4, "little")))
    found = read(path)
    assert [entry.reason for entry in found if isinstance(entry, Skipped)] == ["unreadable_file"]
    assert sum(isinstance(entry, Found) for entry in found) == 1


def test_encrypted_files_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {DAY: [said()]})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(Unprocessable, match="encrypted"):
        read(path)


def test_a_damaged_entry_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    noise = json.dumps([said(f"message {n * 7919 % 1000}", ts=f"17731{n:05}.000100") for n in range(2000)]).encode()
    path = write_zip(tmp_path / "x.zip", {"ops/2026-03-10.json": noise, DAY: [said()]})
    data = bytearray(path.read_bytes())
    data[2000:2100] = b"\xff" * 100
    path.write_bytes(data)
    found = read(path)
    assert any(isinstance(entry, Found) and entry.message.channel == "general" for entry in found)
    assert "unreadable_file" in {entry.reason for entry in found if isinstance(entry, Skipped)}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"Team export/channels.json": [], "Team export/general/2026-03-10.json": []}, "nested_export"),
        ({"holiday.json": []}, "not_a_slack_export"),
    ],
)
def test_what_is_no_export_is_refused_with_a_hint(tmp_path: Path, content: dict[str, object], code: str) -> None:
    for path in (write_zip(tmp_path / "x.zip", content), write_folder(tmp_path / "folder", content)):
        with pytest.raises(Unprocessable) as refused:
            read(path)
        assert refused.value.code == code


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"not a zip at all")
    with pytest.raises(Unprocessable) as refused:
        read(path)
    assert refused.value.code == "not_an_archive"


def test_json_that_would_exhaust_the_machine_is_reported(tmp_path: Path) -> None:
    hostile = {"a": b"[" * 100_000, "b": b'[{"ts":' + b"9" * 5000 + b"}]", "c": b'[{"type":' + b'{"x":' * 50_000}
    content = {f"{name}/2026-03-10.json": text for name, text in hostile.items()}
    found = read(write_folder(tmp_path / "folder", content))
    assert [entry.reason for entry in found if isinstance(entry, Skipped)] == [
        "unreadable_file",
        "invalid_json",
        "unreadable_file",
    ]
