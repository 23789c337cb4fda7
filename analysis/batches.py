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


@dataclass(slots=True)
class _Unit:
    """A thread, or a message that is in none."""

    first: Placed
    message_ids: list[UUID]


class Planner:
    """Makes batches of messages that come ordered by (source, channel, unit_start, unit, time).

    Holds one conversation and one batch at a time. A gap over `time_gap_seconds` between the starts of two units ends a
    conversation. A batch takes whole conversations until it would exceed `max_batch_size`; a conversation longer than
    that is cut between units, and a unit longer than that is cut where it must.
    """

    def __init__(self, *, max_batch_size: int, time_gap_seconds: int) -> None:
        self._size = max_batch_size
        self._gap = timedelta(seconds=time_gap_seconds)
        self._conversation: list[_Unit] = []
        self._batch: PlannedBatch | None = None

    def plan(self, messages: Iterable[Placed]) -> Iterator[PlannedBatch]:
        """Take the next messages, and give the batches that they complete."""
        for message in messages:
            last = self._conversation[-1] if self._conversation else None
            if last is not None and _same_unit(last.first, message):
                last.message_ids.append(message.id)
                continue
            if last is not None and self._ends_conversation(last.first, message):
                yield from self._pack()
                if not _same_channel(last.first, message):
                    yield from self._flush()
            self._conversation.append(_Unit(message, [message.id]))

    def finish(self) -> Iterator[PlannedBatch]:
        """The batches that are left at the end."""
        yield from self._pack()
        yield from self._flush()

    def _ends_conversation(self, last: Placed, message: Placed) -> bool:
        return not _same_channel(last, message) or message.unit_start - last.unit_start > self._gap

    def _pack(self) -> Iterator[PlannedBatch]:
        """Put the conversation into the batch, piece by piece, giving each batch that is full."""
        for piece in self._pieces():
            if self._batch is not None and len(self._batch.message_ids) + len(piece) > self._size:
                yield from self._flush()
            if self._batch is None:
                first = self._conversation[0].first
                self._batch = PlannedBatch(first.source_id, first.channel)
            self._batch.message_ids.extend(piece)
        self._conversation.clear()

    def _flush(self) -> Iterator[PlannedBatch]:
        if self._batch is not None:
            yield self._batch
            self._batch = None

    def _pieces(self) -> Iterator[list[UUID]]:
        """The conversation whole where it fits into a batch, else in pieces of at most a batch's size."""
        piece: list[UUID] = []
        for unit in self._conversation:
            if piece and len(piece) + len(unit.message_ids) > self._size:
                yield piece
                piece = []
            piece = piece + unit.message_ids
            while len(piece) > self._size:
                yield piece[: self._size]
                piece = piece[self._size :]
        if piece:
            yield piece


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
