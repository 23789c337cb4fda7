"""The hub of an API process: it hears that events were committed, reads each once, and hands it to every subscriber."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from api.events import EventMessage, encoded
from api.subscriptions import QUEUE_SIZE, Selection, Subscription
from db import outbox
from db.engine import Database, is_outage
from db.listening import listen
from db.outbox import Head
from errors import Unavailable
from logs import logger
from models.base import now
from models.run import RunEvent

READY_SECONDS = 4.0
LEVEL_SECONDS = 2.0
SWEEP_SECONDS = 5.0
"""How often the hub looks for what no notification told it."""
READ_AT_ONCE = 64
"""Events of one read: well under a subscriber's queue, so that a burst makes only a slow reader fall behind."""
REMEMBERED = timedelta(minutes=15)
"""How long a run's number is kept after its last event. Covers a writer's longest transaction and its clock's error."""
CONNECTIONS = 3
BACK_OFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)

log = logger("gleaner.hub")


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS)) - 1]


@dataclass
class Delivered:
    """The number of the last event delivered, by run, for runs with an event since the `horizon`.

    Every event older than the horizon was delivered, so of a run that isn't listed only events since then are new, and
    the list stays as short as the recent past.
    """

    horizon: datetime
    heads: dict[UUID, Head] = field(default_factory=dict)

    def seq(self, run_id: UUID) -> int:
        head = self.heads.get(run_id)
        return head.last_seq if head is not None else 0

    def add(self, row: RunEvent) -> None:
        self.heads[row.run_id] = Head(row.run_id, row.seq, row.at)

    def forget_before(self, horizon: datetime) -> None:
        self.horizon = max(self.horizon, horizon)
        self.heads = {run_id: head for run_id, head in self.heads.items() if head.last_event_at >= self.horizon}


class Hub:
    """One per API process. It lives through any absence of the database, the first one included.

    A notification is only a hint to read at once; what the hub delivers follows from the numbers delivered and the
    rows, so nothing depends on a notification's arrival. It reads over connections of its own: events don't queue
    behind the API's requests.
    """

    def __init__(self, database: Database, *, queue_size: int = QUEUE_SIZE) -> None:
        self._database = Database(database.dsn, pool_size=CONNECTIONS)
        self._queue_size = queue_size
        self._subscriptions: set[Subscription] = set()
        self._delivered: Delivered | None = None
        self._ahead: set[UUID] = set()
        self._sweep_due = True
        self._next_sweep = 0.0
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._ended = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to listen and deliver; returns at once, with or without a database."""
        self._tasks = [asyncio.create_task(self._keep_listening()), asyncio.create_task(self._keep_delivering())]

    async def stop(self) -> None:
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._database.close()

    def end_streams(self) -> None:
        """End every subscription, now and from now on: a server that shuts down waits for its streams to end."""
        self._ended = True
        for subscription in self._subscriptions:
            subscription.end()

    async def check_ready(self) -> None:
        """503 `events_unavailable` while the hub doesn't know where the events stand, and so can't promise new ones."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), READY_SECONDS)
        if not self._ready.is_set():
            raise Unavailable("events_unavailable", "The database has not been seen yet. Try again.")

    async def level(self) -> None:
        """Return once the past is delivered, so that who subscribes now hears none of it; a busy hub isn't waited for
        long."""
        delivered_by_then = asyncio.get_running_loop().create_future()
        self._waiting.append(delivered_by_then)
        self._look()
        with suppress(TimeoutError):
            await asyncio.wait_for(delivered_by_then, LEVEL_SECONDS)

    @contextmanager
    def subscribed(self, selection: Selection) -> Iterator[Subscription]:
        """A subscription that hears every wanted event from now on, until the block ends."""
        subscription = Subscription(self, selection, queue_size=self._queue_size)
        if self._ended:
            subscription.end()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    @property
    def subscribers(self) -> int:
        """How many connections and streams are open."""
        return len(self._subscriptions)

    def delivered(self, run_id: UUID) -> int:
        """The number of the run's last event that was offered to the subscriptions; 0 where there was none lately."""
        return self._delivered.seq(run_id) if self._delivered is not None else 0

    async def page(self, run_id: UUID, after_seq: int, limit: int) -> list[EventMessage]:
        """The run's next events after a number, oldest first."""
        async with self._database.transaction() as session:
            return encoded(await outbox.events_after(session, run_id, after_seq, limit))

    async def _keep_listening(self) -> None:
        failures = 0

        def standing() -> None:
            nonlocal failures
            failures = 0
            self._look()

        while True:
            try:
                await listen(self._database.dsn, standing=standing, heard=self._heard)
            except Exception as error:  # whatever it is, the hub must listen again
                failures += 1
                _report("The hub lost its listening connection", error)
            await asyncio.sleep(back_off(failures))

    def _heard(self, payload: str) -> None:
        """Note that a run has events up to a number. `payload` is `run_id:seq`."""
        run_id, _, seq = payload.partition(":")
        try:
            if int(seq) > self.delivered(UUID(run_id)):
                self._ahead.add(UUID(run_id))
        except ValueError:
            self._sweep_due = True
        self._wake.set()

    def _look(self) -> None:
        self._sweep_due = True
        self._wake.set()

    async def _keep_delivering(self) -> None:
        failures = 0
        while True:
            try:
                await self._deliver_all()
                failures = 0
            except Exception as error:  # whatever it is, the hub must deliver again
                failures += 1
                self._sweep_due = True
                _report("The hub can't read the events", error)
                await self._woken(back_off(failures))
            else:
                await self._woken(self._next_sweep - asyncio.get_running_loop().time())

    async def _deliver_all(self) -> None:
        """Deliver what notifications told of and, where a sweep is due, whatever else there is."""
        delivered = self._delivered or await self._baseline()
        if self._sweep_due:
            await self._sweep(delivered)
        while self._ahead:
            await self._deliver_some(delivered)

    async def _baseline(self) -> Delivered:
        """Where the events stand at the start: everything up to here is the past."""
        horizon = now() - REMEMBERED
        async with self._database.transaction() as session:
            heads = await outbox.heads_since(session, horizon)
        self._delivered = Delivered(horizon, {head.run_id: head for head in heads})
        self._ready.set()
        return self._delivered

    async def _sweep(self, delivered: Delivered) -> None:
        """Deliver everything committed before now; then what is older than the recent past can be forgotten."""
        began = now()
        self._sweep_due = False
        self._next_sweep = asyncio.get_running_loop().time() + SWEEP_SECONDS
        waiting, self._waiting = self._waiting, []
        await self._find_ahead(delivered)
        while self._ahead:
            await self._deliver_some(delivered)
        delivered.forget_before(began - REMEMBERED)
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _find_ahead(self, delivered: Delivered) -> None:
        async with self._database.transaction() as session:
            heads = await outbox.heads_since(session, delivered.horizon)
        self._ahead.update(head.run_id for head in heads if head.last_seq > delivered.seq(head.run_id))

    async def _deliver_some(self, delivered: Delivered) -> None:
        """Read the next events of the runs that are ahead, all in one query, and offer them."""
        asked, self._ahead = self._ahead, set()
        async with self._database.transaction() as session:
            numbers = {run_id: delivered.seq(run_id) for run_id in asked}
            rows = await outbox.events_ahead(session, numbers, delivered.horizon, READ_AT_ONCE)
        for row, message in zip(rows, encoded(rows), strict=True):
            delivered.add(row)
            for subscription in self._subscriptions:
                subscription.offer(message)
        if len(rows) == READ_AT_ONCE:
            self._ahead |= asked

    async def _woken(self, seconds: float) -> None:
        """Wait for news, at most so long; a sweep may be due by then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, seconds))
        self._wake.clear()
        if asyncio.get_running_loop().time() >= self._next_sweep:
            self._sweep_due = True


def _report(what: str, error: Exception) -> None:
    """An absent database is news; anything else is a fault, whose traceback somebody needs."""
    if is_outage(error):
        log.warning(what, error=type(error).__name__)
    else:
        log.error(what, exc_info=error)
