"""Planning batches: whole conversations of one channel, threads kept together, cut only where one is too long."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
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


Unit = list[UUID]


def plan(messages: Iterable[Placed], *, max_batch_size: int, time_gap_seconds: int) -> Iterator[PlannedBatch]:
    """Batches of messages that come ordered by (source, channel, unit_start, unit, time).

    Streams: holds one conversation and one batch at a time. A gap over `time_gap_seconds` ends a conversation. A batch
    takes whole conversations until it would exceed `max_batch_size`; a conversation longer than that is cut between
    units, and a unit longer than that is cut where it must.
    """
    gap = timedelta(seconds=time_gap_seconds)
    for (source_id, channel), placed in groupby(messages, key=lambda message: (message.source_id, message.channel)):
        batch = PlannedBatch(source_id, channel)
        for conversation in _conversations(placed, gap):
            for piece in _pieces(conversation, max_batch_size):
                if batch.message_ids and len(batch.message_ids) + len(piece) > max_batch_size:
                    yield batch
                    batch = PlannedBatch(source_id, channel)
                batch.message_ids.extend(piece)
        if batch.message_ids:
            yield batch


def _conversations(messages: Iterable[Placed], gap: timedelta) -> Iterator[list[Unit]]:
    """Runs of units that start within `gap` of the one before."""
    conversation: list[Unit] = []
    previous: datetime | None = None
    for (start, _), unit in groupby(messages, key=lambda message: (message.unit_start, message.unit)):
        if previous is not None and start - previous > gap:
            yield conversation
            conversation = []
        conversation.append([message.id for message in unit])
        previous = start
    if conversation:
        yield conversation


def _pieces(conversation: list[Unit], size: int) -> Iterator[list[UUID]]:
    """The conversation whole where it fits into a batch, else in pieces of at most `size`."""
    piece: list[UUID] = []
    for unit in conversation:
        if piece and len(piece) + len(unit) > size:
            yield piece
            piece = []
        piece.extend(unit)
        while len(piece) > size:
            yield piece[:size]
            piece = piece[size:]
    if piece:
        yield piece
