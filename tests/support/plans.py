"""Plans of batches told message by message: how tests write messages down for the planner, and a planner that is easy
to believe, against which the real one is held."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from uuid import UUID

from analysis.batches import NEW_CONVERSATION, NEW_UNIT, PlannedBatch, Stretch


@dataclass(frozen=True, slots=True)
class Placed:
    """A message's place: `unit` is its thread (or itself), `unit_start` the time of the unit's first message."""

    id: UUID
    source_id: UUID
    channel: str
    unit: str
    unit_start: datetime


def stretches(messages: Iterable[Placed], *, gap: int, length: int = 1000) -> Iterator[Stretch]:
    """What the database makes of messages in the order of the plan, so many at a time."""
    for _, of_channel in groupby(_marked(messages, timedelta(seconds=gap)), key=lambda one: _channel(one[0])):
        while part := list(islice(of_channel, length)):
            first, _ = part[0]
            yield Stretch(first.source_id, first.channel, [one.id for one, _ in part], [begins for _, begins in part])


def _marked(messages: Iterable[Placed], gap: timedelta) -> Iterator[tuple[Placed, int]]:
    last: Placed | None = None
    for message in messages:
        if last is None or _channel(last) != _channel(message):
            yield message, NEW_UNIT
        elif last.unit == message.unit:
            yield message, 0
        else:
            yield message, NEW_CONVERSATION if message.unit_start - last.unit_start > gap else NEW_UNIT
        last = message


def _channel(message: Placed) -> tuple[UUID, str]:
    return message.source_id, message.channel


class PlainPlanner:
    """Makes the batches of `Planner` from single messages, ordered by (source, channel, unit_start, unit, time).

    A gap over `time_gap_seconds` between the starts of two units ends a conversation. A batch takes whole conversations
    until it would exceed `max_batch_size`; a conversation longer than that is cut between units, and a unit longer than
    that is cut where it must.
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


def _same_channel(one: Placed, other: Placed) -> bool:
    return one.channel == other.channel and one.source_id == other.source_id


def _same_unit(one: Placed, other: Placed) -> bool:
    return one.unit == other.unit and _same_channel(one, other)
