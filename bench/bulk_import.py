"""`python -m bench.bulk_import`: a large file through `gleaner import`, over `COPY` of the same rows.

`COPY` writes into an equal table with the same constraints and indexes, in one statement, from a file that is ready in
its own format. `gleaner import` reads JSON lines, checks each, and writes them in transactions that a second import of
the same file would find done; its time is that of the whole command.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from bench.alone import run_alone
from bench.api_process import process
from bench.cpu import cpu_seconds
from bench.meters import child_of_ours
from bench.rows import Row
from bench.stage import stage
from devstack.servers import Servers
from models.base import new_id
from tests.support.databases import fresh_database, settings_for
from tests.support.working import START

COPIES = 4.0
MESSAGES = 1_000_000
QUICK_MESSAGES = 40_000
ROUNDS = 5
COLUMNS = ("id", "source_id", "channel", "external_id", "author", "sent_at", "content", "thread_id")


@dataclass(frozen=True)
class Message:
    channel: str
    external_id: str
    author: str
    sent_at: str
    content: str
    thread_id: str | None


@dataclass(frozen=True)
class Round:
    """Seconds, by the clock and of the processor."""

    imported: float
    copied: float
    cpu_imported: float
    cpu_copied: float


async def measure(*, quick: bool = False) -> Row:
    count = QUICK_MESSAGES if quick else MESSAGES
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
        lines, rows = Path(folder) / "chat.jsonl", Path(folder) / "chat.tsv"
        source_id = str(new_id())
        _write(count, lines, rows, source_id)
        async with stage() as servers:
            rounds = [await _round(servers, lines, rows, source_id, count) for _ in range(1 if quick else ROUNDS)]
    copies = statistics.median(one.imported / one.copied for one in rounds)
    seconds = statistics.median(one.imported for one in rounds)
    return Row(
        number=10,
        what=f"import of {count:,} messages over COPY into an equal table",
        measured=f"{copies:.2f} × ({count / seconds:,.0f} messages/s)",
        goal=f"≤ {COPIES:.0f} ×",
        met=copies <= COPIES,
        ratios={"CPU over COPY's": statistics.median(one.cpu_imported / one.cpu_copied for one in rounds)},
        figures={"rounds": [vars(one) for one in rounds]},
    )


async def _round(servers: Servers, lines: Path, rows: Path, source_id: str, count: int) -> Round:
    async with fresh_database(servers.dsn) as dsn:
        used = _used()
        copied = await _copied(dsn, rows, source_id)
        cpu_copied = _used() - used
    async with fresh_database(servers.dsn) as dsn:
        settings = settings_for(servers, dsn)
        environment = {"GLEANER_DATABASE_URL": settings.database_url.get_secret_value()}
        begin, used = time.monotonic(), _used()
        async with process("cli.py", "import", "jsonl", str(lines), "--json", environment=environment) as command:
            said, _ = await command.communicate()
        imported, cpu_imported = time.monotonic() - begin, _used() - used
    assert json.loads(said)["inserted"] == count, said
    return Round(imported, copied, cpu_imported, cpu_copied)


async def _copied(dsn: str, rows: Path, source_id: str) -> float:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("INSERT INTO sources (id, name) VALUES ($1, 'bench')", source_id)
        begin = time.monotonic()
        done = await connection.copy_to_table("messages", source=rows, columns=COLUMNS)
        seconds = time.monotonic() - begin
        assert done != "COPY 0"
    finally:
        await connection.close()
    return seconds


def _used() -> float:
    """Seconds of the processor that this process, those that it has seen end, and PostgreSQL have used."""
    return sum(os.times()[:4]) + cpu_seconds(child_of_ours("postgres", "cluster_name="))


def _write(count: int, lines: Path, rows: Path, source_id: str) -> None:
    """The same messages for both: JSON lines, and PostgreSQL's own text format."""
    with lines.open("w") as json_file, rows.open("w") as text_file:
        for one in _messages(count):
            values = vars(one)
            given = {name: value for name, value in values.items() if value is not None}
            json_file.write(json.dumps(given, ensure_ascii=False) + "\n")
            fields = (value if value is not None else "\\N" for value in values.values())
            text_file.write("\t".join((str(new_id()), source_id, *fields)) + "\n")


def _messages(count: int) -> Iterator[Message]:
    """Chat of many people in many channels: one in four answers in a thread; the texts differ in length."""
    for n in range(count):
        yield Message(
            channel=f"c{n % 20}",
            external_id=f"f{n}",
            author=f"author {n % 50}",
            sent_at=(START + timedelta(seconds=2 * n)).isoformat(),
            content=f"please have a look at part {n}{' of the order that came in' * (n % 5)}",
            thread_id=f"f{n - n % 160 + n % 20}" if n % 4 == 1 else None,
        )


if __name__ == "__main__":
    run_alone("bulk_import", measure)
