"""Planning batches: whole conversations of one channel, threads kept together, cut only where one is too long."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Placed:
    """A message's place: `unit` is its thread (or itself), `unit_start` the time of the unit's first message."""

    id: UUID
    source_id: UUID
    channel: str
    unit: str
    unit_start: datetime


@dataclass(slots=True)
class PlannedBatch:
    """The messages of one model call, in order, all of one channel."""

    source_id: UUID
    channel: str
    message_ids: list[UUID] = field(default_factory=list)


class Planner:
    """Makes batches of messages that come ordered by (source, channel, unit_start, unit, time).

    A gap over `time_gap_seconds` between the starts of two units ends a conversation. A batch takes whole conversations
    until it would exceed `max_batch_size`; a conversation longer than that is cut between units, and a unit longer than
    that is cut where it must. Holds at most two batches' worth of messages, however long a conversation is; a plan of
    the messages that are in none of the batches given so far goes on with the same batches.
    """

    def __init__(self, *, max_batch_size: int, time_gap_seconds: int) -> None:
        self._size = max_batch_size
        self._gap = timedelta(seconds=time_gap_seconds)
        self._last: Placed | None = None
        self._piece: list[UUID] = []
        """Units of the conversation that go together."""
        self._unit: list[UUID] = []
        """The unit that may still grow."""
        self._batch: PlannedBatch | None = None

    def plan(self, messages: Iterable[Placed]) -> Iterator[PlannedBatch]:
        """Take the next messages, and give the batches that they complete."""
        for message in messages:
            last = self._last
            if last is not None and not _same_unit(last, message):
                self._close_unit()
                if self._ends_conversation(last, message):
                    yield from self._pack()
                if not _same_channel(last, message):
                    yield from self._flush()
            self._last = message
            self._unit.append(message.id)
            if len(self._piece) + len(self._unit) > self._size:
                yield from self._cut()

    def finish(self) -> Iterator[PlannedBatch]:
        """The batches that are left at the end."""
        self._close_unit()
        yield from self._pack()
        yield from self._flush()

    def _ends_conversation(self, last: Placed, message: Placed) -> bool:
        return not _same_channel(last, message) or message.unit_start - last.unit_start > self._gap

    def _close_unit(self) -> None:
        self._piece.extend(self._unit)
        self._unit.clear()

    def _cut(self) -> Iterator[PlannedBatch]:
        """Part the conversation before the unit that doesn't fit, or in it where that alone is too long."""
        if not self._piece:
            self._piece, self._unit = self._unit[: self._size], self._unit[self._size :]
        yield from self._pack()

    def _pack(self) -> Iterator[PlannedBatch]:
        """Put the piece of the conversation into the batch, giving the one before where that has no room for it."""
        if self._batch is not None and len(self._batch.message_ids) + len(self._piece) > self._size:
            yield from self._flush()
        if self._batch is None and self._last is not None:
            self._batch = PlannedBatch(self._last.source_id, self._last.channel)
        if self._batch is not None:
            self._batch.message_ids.extend(self._piece)
        self._piece.clear()

    def _flush(self) -> Iterator[PlannedBatch]:
        if self._batch is not None:
            yield self._batch
            self._batch = None


def place_to_cut(messages: Sequence[tuple[str, datetime]]) -> int:
    """Where to cut a batch of two messages or more in two, given the unit and the time of each.

    At the longest silence between two units in its middle third; of several, and where there is none, between the two
    units nearest to the middle; a batch of one unit in the middle.
    """
    total = len(messages)
    places = [place for place in range(1, total) if messages[place - 1][0] != messages[place][0]]
    if not places:
        return total // 2
    middle = [place for place in places if total <= 3 * place <= 2 * total]
    longest = max((messages[place][1] - messages[place - 1][1] for place in middle), default=None)
    best = [place for place in middle if messages[place][1] - messages[place - 1][1] == longest] or places
    return min(best, key=lambda place: abs(2 * place - total))


def _same_channel(one: Placed, other: Placed) -> bool:
    return one.channel == other.channel and one.source_id == other.source_id


def _same_unit(one: Placed, other: Placed) -> bool:
    return one.unit == other.unit and _same_channel(one, other)
