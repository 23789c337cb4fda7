"""Planning batches: whole conversations of one channel, threads kept together, cut only where one is too long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

NEW_UNIT = 1
NEW_CONVERSATION = 2


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one channel that follow each other in the order of the plan: that of the beginnings of their units.

    A unit is a thread, a message with the replies to it, or a message of its own. `begins` says of each message whether
    it begins a conversation (NEW_CONVERSATION), another unit of the same conversation (NEW_UNIT), or nothing (0).
    """

    source_id: UUID
    channel: str
    ids: Sequence[UUID]
    begins: Sequence[int]


@dataclass(slots=True)
class PlannedBatch:
    """The messages of one model call, in order, all of one channel."""

    source_id: UUID
    channel: str
    message_ids: list[UUID] = field(default_factory=list)


class Planner:
    """Makes batches of stretches that come channel by channel.

    A batch takes whole conversations until it would exceed `max_batch_size`; a conversation longer than that is cut
    between units, and a unit longer than that is cut where it must. Holds at most two batches' worth of messages and a
    stretch, however long a conversation is; a plan of the messages that are in none of the batches given so far goes on
    with the same batches.
    """

    def __init__(self, *, max_batch_size: int) -> None:
        self._size = max_batch_size
        self._source_id: UUID | None = None
        self._channel = ""
        self._held: list[UUID] = []
        """What no batch has taken yet: first the batch that is being filled, then from `_piece` on units of one
        conversation that go together, then from `_unit` on the unit that may still grow."""
        self._piece = 0
        self._unit = 0
        self._filled = 0
        """Where in `_held` the batch begins: what stands before was given."""

    def plan(self, stretch: Stretch) -> Iterator[PlannedBatch]:
        """Take the next messages, and give the batches that they complete."""
        if (stretch.source_id, stretch.channel) != (self._source_id, self._channel):
            yield from self.finish()
            self._source_id, self._channel = stretch.source_id, stretch.channel
        end = len(self._held)
        self._held.extend(stretch.ids)
        for begins in stretch.begins:
            if begins:
                self._unit = end
                if begins == NEW_CONVERSATION:
                    yield from self._pack(end)
            end += 1
            if end - self._piece > self._size:
                yield from self._cut()
        self._let_go()

    def finish(self) -> Iterator[PlannedBatch]:
        """The batches that are left at the end."""
        yield from self._pack(len(self._held))
        if self._held:
            yield self._flushed()
        self._let_go()

    def _cut(self) -> Iterator[PlannedBatch]:
        """Part the conversation before the unit that doesn't fit, or in it where that alone is too long."""
        if self._unit == self._piece:
            self._unit += self._size
        yield from self._pack(self._unit)

    def _pack(self, end: int) -> Iterator[PlannedBatch]:
        """Put the piece that ends there into the batch, giving the one before where that has no room for it."""
        if self._filled < self._piece and end - self._filled > self._size:
            yield self._flushed()
        self._piece = end

    def _flushed(self) -> PlannedBatch:
        assert self._source_id is not None
        batch = PlannedBatch(self._source_id, self._channel, self._held[self._filled : self._piece])
        self._filled = self._piece
        return batch

    def _let_go(self) -> None:
        """Hold no longer what was given."""
        del self._held[: self._filled]
        self._piece -= self._filled
        self._unit -= self._filled
        self._filled = 0


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
