"""From what a reader finds to the database, batch by batch, reading ahead while the database writes."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from db.messages import flaw_of, source_flaw
from ingest.entries import Entry, Found, Skipped
from ingest.report import ImportReport
from models.conversation import IncomingMessage

BATCH_MESSAGES = 5_000
BATCH_CHARS = 4_000_000
"""A batch ends at the first of the two, so that long messages don't fill the memory."""

Progress = Callable[[ImportReport], None]
BySource = Mapping[str, Sequence[IncomingMessage]]


class Sink(Protocol):
    """Takes the batches of one import."""

    async def take(self, batch: BySource, report: ImportReport) -> None:
        """Stores the messages, by the names of their sources, and counts them in the report."""


@dataclass(slots=True)
class _Batch:
    messages: dict[str, list[IncomingMessage]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    repaired: int = 0
    size: int = 0
    chars: int = 0

    def add(self, entry: Entry, source: str | None, otherwise: str) -> None:
        self.size += 1
        if isinstance(entry, Found):
            entry = self._add_message(entry, source or entry.source or otherwise)
        if isinstance(entry, Skipped):
            self.skipped.append(entry)

    def _add_message(self, entry: Found, source: str) -> Entry:
        flaw = flaw_of(entry.message) or source_flaw(source)
        if flaw:
            return Skipped(entry.position, flaw.code, flaw.detail)
        self.messages.setdefault(source, []).append(entry.message)
        self.chars += len(entry.message.content)
        self.repaired += entry.repaired
        return entry

    @property
    def is_full(self) -> bool:
        return self.size >= BATCH_MESSAGES or self.chars >= BATCH_CHARS


async def load(
    entries: Iterator[Entry],
    sink: Sink,
    report: ImportReport,
    *,
    source: str | None,
    otherwise: str,
    on_progress: Progress | None = None,
) -> None:
    """Gives every message to the sink and counts everything in `report`, which `on_progress` sees after each batch.

    Messages go to `source`; where that is None, to the source that the file names for them, or to `otherwise`.
    The reader works in a thread of its own, at most one batch ahead.
    """

    def read_on() -> asyncio.Task[_Batch]:
        return asyncio.create_task(asyncio.to_thread(_next_batch, entries, source, otherwise))

    reading = read_on()
    try:
        while (batch := await asyncio.shield(reading)).size:
            reading = read_on()
            _count(batch, report)
            await sink.take(batch.messages, report)
            if on_progress:
                on_progress(report)
    finally:
        # A thread can't be stopped: the file may be closed only when it has let go of it.
        await asyncio.gather(reading, return_exceptions=True)


def _next_batch(entries: Iterator[Entry], source: str | None, otherwise: str) -> _Batch:
    batch = _Batch()
    for entry in entries:
        batch.add(entry, source, otherwise)
        if batch.is_full:
            break
    return batch


def _count(batch: _Batch, report: ImportReport) -> None:
    for skipped in batch.skipped:
        report.skip(skipped)
    report.read += batch.size - len(batch.skipped)
    report.repaired += batch.repaired
    report.sources.extend(name for name in batch.messages if name not in report.sources)
