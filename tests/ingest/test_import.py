"""Whole imports, from a file to the database."""

import asyncio
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlmodel import col, func, select

import ingest.load
from db.engine import Database
from errors import BadRequest, Unprocessable
from ingest.command import import_file
from ingest.entries import Entry, Format, Found, ReadOptions
from ingest.formats import FORMATS
from ingest.report import ImportReport
from models.ingestion import MessageIngestionJob
from models.message import Message
from models.source import Source

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the data folder ../shared/data is absent")

LOG = """\
[2026-03-10 09:00:00] <ann> can somebody fix the login?
[2026-03-10 09:00:05] <bob> I will
this is no line of a log
[2026-03-10 09:00:06] <bob> I will\0
[2026-03-10 09:00:07] <bob>
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "backend.txt"
    file.write_text(LOG)
    return file


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.load, "BATCH_MESSAGES", 7)


def jsonl(path: Path, count: int, **fields: object) -> Path:
    line = {"channel": "general", "author": "ann", "sent_at": "2026-03-10T09:00:00Z", "content": "hello", **fields}
    path.write_text("".join(json.dumps({"external_id": str(n), **line}) + "\n" for n in range(count)))
    return path


async def messages(database: Database) -> list[Message]:
    async with database.transaction() as session:
        return list((await session.exec(select(Message).order_by(col(Message.sent_at), col(Message.id)))).all())


async def jobs(database: Database) -> list[MessageIngestionJob]:
    async with database.transaction() as session:
        return list((await session.exec(select(MessageIngestionJob))).all())


async def sources(database: Database) -> dict[str, str]:
    async with database.transaction() as session:
        return {source.name: source.type for source in (await session.exec(select(Source))).all()}


def totals(report: ImportReport) -> tuple[int, int, int, int]:
    return report.read, report.inserted, report.updated, report.unchanged


async def test_the_report_counts_everything_that_the_file_holds(database: Database, log: Path) -> None:
    report = await import_file(database, "irc", log)
    assert totals(report) == (5, 2, 0, 0)
    assert report.skipped == {"unrecognised_line": 1, "invalid_text": 1, "empty_content": 1}
    assert [(bad.position, bad.reason) for bad in report.bad_lines] == [
        ("line 3", "unrecognised_line"),
        ("line 4", "invalid_text"),
        ("line 5", "empty_content"),
    ]
    assert report.bytes == len(LOG)
    assert report.seconds > 0
    assert [row.content for row in await messages(database)] == ["can somebody fix the login?", "I will"]


async def test_the_report_can_be_written_as_json(database: Database, log: Path) -> None:
    report = await import_file(database, "irc", log)
    said = json.loads(json.dumps(report.to_json()))
    assert {key: said[key] for key in ("format", "sources", "dry_run", "read", "inserted", "skipped_total")} == {
        "format": "irc",
        "sources": ["backend"],
        "dry_run": False,
        "read": 5,
        "inserted": 2,
        "skipped_total": 3,
    }
    assert said["bad_lines"][0]["position"] == "line 3"


async def test_only_the_first_bad_lines_are_kept(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("no log line\n" * 100)
    report = await import_file(database, "irc", file)
    assert report.skipped == {"unrecognised_line": 100}
    assert len(report.bad_lines) == 20


async def test_an_import_again_changes_nothing_and_a_grown_file_adds_its_end(database: Database, log: Path) -> None:
    await import_file(database, "irc", log)
    assert totals(await import_file(database, "irc", log)) == (5, 0, 0, 2)
    with log.open("a") as file:
        file.write("[2026-03-10 09:00:05] <bob> I will\n[2026-03-10 09:01:00] <ann> thanks\n")
    assert totals(await import_file(database, "irc", log)) == (7, 2, 0, 2)


async def test_edits_update(database: Database, tmp_path: Path) -> None:
    await import_file(database, "jsonl", jsonl(tmp_path / "a.jsonl", 10))
    edited = jsonl(tmp_path / "b.jsonl", 3, content="edited")
    assert totals(await import_file(database, "jsonl", edited, source="a")) == (3, 0, 3, 0)
    assert Counter(row.content for row in await messages(database)) == {"edited": 3, "hello": 7}


async def test_the_source_is_the_one_given_or_named_like_the_file(database: Database, log: Path) -> None:
    assert (await import_file(database, "irc", log)).sources == ["backend"]
    assert (await import_file(database, "irc", log, source="team")).sources == ["team"]
    assert (await import_file(database, "irc", log, name="upload.log")).sources == ["upload"]
    assert await sources(database) == {"backend": "irc", "team": "irc", "upload": "irc"}
    assert {row.channel for row in await messages(database)} == {"backend", "upload"}


async def test_lines_that_name_their_source_go_to_it_unless_one_is_given(database: Database, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "mixed.jsonl", 2, source="one")
    file.write_text(file.read_text() + jsonl(tmp_path / "other", 1, source="two").read_text())
    file.write_text(file.read_text() + jsonl(tmp_path / "other", 1).read_text())
    report = await import_file(database, "jsonl", file)
    assert sorted(report.sources) == ["mixed", "one", "two"]
    assert report.inserted == 4
    assert (await import_file(database, "jsonl", file, source="all")).sources == ["all"]


async def test_a_source_without_a_usable_name_is_a_bad_line(database: Database, tmp_path: Path) -> None:
    report = await import_file(database, "jsonl", jsonl(tmp_path / "x.jsonl", 1, source="a\0b"))
    assert report.skipped == {"invalid_text": 1}


async def test_a_dry_run_tells_what_would_be_and_writes_nothing(database: Database, tmp_path: Path, log: Path) -> None:
    report = await import_file(database, "irc", log, dry_run=True)
    assert totals(report) == (5, 2, 0, 0)
    assert report.dry_run
    assert report.skipped["unrecognised_line"] == 1
    assert not await messages(database)
    assert not await sources(database)
    assert not await jobs(database)
    await import_file(database, "jsonl", jsonl(tmp_path / "a.jsonl", 5))
    edited = jsonl(tmp_path / "b.jsonl", 6, content="edited")
    assert totals(await import_file(database, "jsonl", edited, source="a", dry_run=True)) == (6, 1, 5, 0)


@pytest.mark.usefixtures("small_batches")
async def test_a_job_records_the_import(database: Database, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", 30)
    file.write_text(file.read_text() + "{broken\n")
    seen: list[int] = []
    await import_file(database, "jsonl", file, source="team", on_progress=lambda report: seen.append(report.read))
    assert seen == [7, 14, 21, 28, 31]
    [job] = await jobs(database)
    assert (job.status, job.source_type, job.source_identifiers) == ("completed", "api", ["team"])
    assert (job.messages_read, job.messages_inserted, job.messages_skipped) == (31, 30, 1)
    assert job.skipped == {"invalid_json": 1}
    assert job.started_at is not None
    assert job.completed_at is not None
    assert job.completed_at >= job.started_at
    assert job.error_log is None


def failing(path: Path, options: ReadOptions) -> Iterator[Entry]:
    yield from FORMATS["jsonl"].read(path, options)
    raise RuntimeError("secret text of a message")


@pytest.mark.usefixtures("small_batches")
async def test_an_import_that_breaks_keeps_its_batches_and_says_so(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "broken", Format("broken", "api", failing))  # type: ignore[arg-type]  # no generator
    with pytest.raises(RuntimeError):
        await import_file(database, "broken", jsonl(tmp_path / "a.jsonl", 20))
    [job] = await jobs(database)
    assert job.status == "failed"
    assert job.error_log is not None
    assert job.error_log["message"] == "RuntimeError"
    assert job.messages_inserted == len(await messages(database)) == 14


@pytest.mark.usefixtures("small_batches")
async def test_a_cancelled_import_is_recorded_and_lets_go_of_its_file(database: Database, tmp_path: Path) -> None:
    closed = asyncio.Event()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(path: Path, options: ReadOptions) -> Iterator[Entry]:
        try:
            while True:
                for entry in FORMATS["jsonl"].read(path, options):
                    assert isinstance(entry, Found)
                    yield entry
        finally:
            loop.call_soon_threadsafe(closed.set)

    FORMATS["endless"] = Format("endless", "api", endless)  # type: ignore[arg-type]  # a generator all the same
    try:
        task = asyncio.create_task(
            import_file(database, "endless", jsonl(tmp_path / "a.jsonl", 9), on_progress=lambda _: begun.set())
        )
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 10)
    finally:
        del FORMATS["endless"]
    [job] = await jobs(database)
    assert job.status == "cancelled"


async def test_what_can_not_be_read_is_refused_before_anything_is_written(database: Database, tmp_path: Path) -> None:
    odd = tmp_path / "x.zip"
    odd.write_bytes(b"no zip")
    for format_name, path, code in (
        ("irc", tmp_path / "absent.txt", "file_not_found"),
        ("irc", tmp_path, "file_not_found"),
        ("carrier pigeon", odd, "unknown_format"),
        ("slack", odd, "not_an_archive"),
        ("slack", tmp_path / "nul\0", "file_not_found"),
    ):
        with pytest.raises((BadRequest, Unprocessable)) as refused:
            await import_file(database, format_name, path)
        assert refused.value.code == code
    assert not await sources(database)
    assert not await jobs(database)


@pytest.mark.usefixtures("small_batches")
async def test_parallel_imports_of_one_file_give_each_message_once(database: Database, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", 200)
    reports = await asyncio.gather(*(import_file(database, "jsonl", file) for _ in range(5)))
    assert sum(report.inserted for report in reports) == 200
    assert sum(report.unchanged for report in reports) == 800
    assert len(await messages(database)) == 200


@pytest.mark.usefixtures("small_batches")
async def test_messages_of_one_minute_are_read_in_the_order_of_the_file(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "room.txt"
    file.write_text("".join(f"room 2026-03-10 [09:00] <ann> line {n}\n" for n in range(40)))
    await import_file(database, "irc", file)
    assert [row.content for row in await messages(database)] == [f"line {n}" for n in range(40)]


async def test_repaired_messages_are_counted(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "room.txt"
    file.write_bytes(b"[2026-03-10 09:00:00] <ann> caf\xe9\n[2026-03-10 09:00:01] <ann> tea\n")
    report = await import_file(database, "irc", file)
    assert (report.inserted, report.repaired) == (2, 1)


async def test_a_slack_export_arrives_with_its_threads(database: Database, tmp_path: Path) -> None:
    day = [
        {"type": "message", "user": "U1", "text": "<@U2> ship it", "ts": "1773133200.000100"},
        {"type": "message", "user": "U2", "text": "ok", "ts": "1773133201.000100", "thread_ts": "1773133200.000100"},
        {"type": "message", "subtype": "tombstone", "ts": "1773133202.000100"},
    ]
    users = [{"id": "U1", "name": "ann"}, {"id": "U2", "name": "bob"}]
    content: Mapping[str, object] = {"users.json": users, "channels.json": [], "general/2026-03-10.json": day}
    with zipfile.ZipFile(tmp_path / "acme.zip", "w") as archive:
        for name, value in content.items():
            archive.writestr(name, json.dumps(value))
    report = await import_file(database, "slack", tmp_path / "acme.zip")
    assert totals(report) == (3, 2, 0, 0)
    assert report.skipped == {"deleted": 1}
    first, second = await messages(database)
    assert (first.author, first.content, first.channel) == ("ann", "@bob ship it", "general")
    assert (second.reply_to, second.thread_id) == (first.external_id, first.external_id)
    assert await sources(database) == {"acme": "slack"}


@needs_data
@pytest.mark.parametrize(("name", "lines"), [("irc-ubuntu-meeting-2010-11.txt", 1_200), ("gitter-docker.txt", 28_586)])
async def test_the_real_logs_arrive_whole_and_a_second_time_change_nothing(
    database: Database, name: str, lines: int
) -> None:
    assert totals(await import_file(database, "irc", DATA / name, source="real")) == (lines, lines, 0, 0)
    assert totals(await import_file(database, "irc", DATA / name, source="real")) == (lines, 0, 0, lines)
    async with database.transaction() as session:
        count = (await session.exec(select(func.count()).select_from(Message))).one()
    assert count == lines
