"""What one reader hears: its choice of runs and topics, its bounded queue, and the way back when it fell behind."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from api.events import DEFAULT_TOPICS, EventMessage, Lagged, Topic
from db.engine import is_outage

QUEUE_SIZE = 256
"""Events that may wait for one reader. They are shared between readers, so this costs a pointer each."""
PAGE = 200
"""Events that a reader catches up on at a time."""
OUTAGE_SECONDS = 1.0

Outgoing = EventMessage | Lagged


class Outbox(Protocol):
    """Where a subscription reads what it did not hear."""

    def delivered(self, run_id: UUID) -> int:
        """The number of the run's last event that was offered to the subscriptions; 0 where there was none lately."""

    async def page(self, run_id: UUID, after_seq: int, limit: int) -> list[EventMessage]:
        """The run's next events after a number, oldest first."""


@dataclass
class Selection:
    """The runs and topics that a reader wants. Without `run_ids` it wants every run but the `muted` ones."""

    topics: set[Topic] = field(default_factory=lambda: set(DEFAULT_TOPICS))
    run_ids: set[UUID] | None = None
    muted: set[UUID] = field(default_factory=set)

    def wants(self, message: EventMessage) -> bool:
        return message.topic in self.topics and self.wants_run(message.run_id)

    def wants_run(self, run_id: UUID) -> bool:
        return run_id not in self.muted if self.run_ids is None else run_id in self.run_ids

    def add_run(self, run_id: UUID) -> None:
        self.muted.discard(run_id)
        if self.run_ids is not None:
            self.run_ids.add(run_id)

    def remove_run(self, run_id: UUID) -> None:
        if self.run_ids is None:
            self.muted.add(run_id)
        else:
            self.run_ids.discard(run_id)

    @property
    def size(self) -> int:
        """How many runs it names."""
        return len(self.muted) + len(self.run_ids or ())


@dataclass(eq=False)
class _Behind:
    """A run that is read from the outbox, not heard: how far, and whether the reader was told."""

    after_seq: int
    told: bool


class Subscription:
    """One reader's events: each wanted one once, in the order of its run.

    A run is either *live*, so that what the hub offers is queued, or *behind*, so that it is read page by page from
    the outbox. A run falls behind when the queue is full and by `replay`. It is live again at the moment when the
    outbox gave all that the hub has delivered; nothing awaits between that look and the change.
    """

    def __init__(self, outbox: Outbox, selection: Selection, *, queue_size: int = QUEUE_SIZE) -> None:
        self.selection = selection
        self.ended = False
        self._outbox = outbox
        self._queue: deque[EventMessage] = deque()
        self._queue_size = queue_size
        self._behind: dict[UUID, _Behind] = {}
        self._read_ahead: dict[UUID, int] = {}
        self._wake = asyncio.Event()
        self._end = asyncio.Event()

    def offer(self, message: EventMessage) -> None:
        """Take a live event, or note that the reader is too slow for it."""
        run_id = message.run_id
        if run_id in self._behind or not self.selection.wants(message):
            return
        if run_id in self._read_ahead:
            if message.seq <= self._read_ahead[run_id]:
                return
            del self._read_ahead[run_id]
        if len(self._queue) < self._queue_size:
            self._queue.append(message)
        else:
            self._behind[run_id] = _Behind(message.seq - 1, told=False)
        self._wake.set()

    def replay(self, run_id: UUID, after_seq: int) -> None:
        """Give the run's events after this number, then go live."""
        self.forget(run_id)
        self._behind[run_id] = _Behind(after_seq, told=True)
        self._wake.set()

    def forget(self, run_id: UUID) -> None:
        """Drop what waits of this run."""
        self._queue = deque(message for message in self._queue if message.run_id != run_id)
        self._behind.pop(run_id, None)
        self._read_ahead.pop(run_id, None)

    def end(self) -> None:
        """Let `turns` finish; the service stops."""
        self.ended = True
        self._wake.set()
        self._end.set()

    @property
    def caught_up(self) -> bool:
        """Whether everything that the hub has delivered was handed out."""
        return not self._queue and not self._behind

    @property
    def size(self) -> int:
        """How many runs it keeps something about."""
        return self.selection.size + len(self._behind) + len(self._read_ahead)

    async def turns(self, patience: float | None = None) -> AsyncIterator[Sequence[Outgoing]]:
        """What to send next, as it comes; an empty turn after `patience` seconds without anything."""
        while not self.ended:
            if self.caught_up and not await self._woken(patience):
                yield ()
                continue
            self._wake.clear()
            behind = dict(self._behind)  # all that is queued of these came before, so it goes out first
            if self._queue:
                queued, self._queue = self._queue, deque()
                yield tuple(queued)
            for run_id, state in behind.items():
                if not self.ended and self._behind.get(run_id) is state:
                    yield await self._caught_up_on(run_id, state)

    async def _woken(self, patience: float | None) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), patience)
        return self._wake.is_set()

    async def _caught_up_on(self, run_id: UUID, state: _Behind) -> list[Outgoing]:
        """One page of a run that is behind; nothing, after a moment, while the database is away."""
        delivered = self._outbox.delivered(run_id)
        try:
            events = await self._outbox.page(run_id, state.after_seq, PAGE)
        except Exception as error:
            if not is_outage(error):
                raise
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), OUTAGE_SECONDS)
            return []
        if self._behind.get(run_id) is not state:
            return []
        lagged = [] if state.told else [Lagged(run_id, state.after_seq)]
        state.told = True
        purged = not events and delivered > state.after_seq
        if events:
            state.after_seq = events[-1].seq
        if len(events) < PAGE and (purged or self._outbox.delivered(run_id) <= state.after_seq):
            self._go_live(run_id, state.after_seq)
        return [*lagged, *(event for event in events if self.selection.wants(event))]

    def _go_live(self, run_id: UUID, after_seq: int) -> None:
        del self._behind[run_id]
        if after_seq > self._outbox.delivered(run_id):
            self._read_ahead[run_id] = after_seq
