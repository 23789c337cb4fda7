"""One reader's way through live events, a full queue and the outbox, in whatever order things happen."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import subscriptions
from api.events import EventMessage, Lagged
from api.subscriptions import Outgoing, Selection, Subscription
from models.base import new_id

RUNS = (new_id(), new_id())
KINDS = ("commit", "deliver", "read")
PAGE = 3


@pytest.fixture(autouse=True, scope="module")
def _short_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscriptions, "PAGE", PAGE)
        yield


class _World:
    """An outbox, a hub that may be behind it, and one reader. While a page is read, more of the plan happens."""

    def __init__(self, plan: list[tuple[str, int]], queue_size: int) -> None:
        self.committed = dict.fromkeys(RUNS, 0)
        self.offered = dict.fromkeys(RUNS, 0)
        self.forgotten: set[UUID] = set()
        self.subscription = Subscription(self, Selection(), queue_size=queue_size)
        self._plan = iter(plan)

    def delivered(self, run_id: UUID) -> int:
        return 0 if run_id in self.forgotten else self.offered[run_id]

    async def page(self, run_id: UUID, after_seq: int, limit: int) -> list[EventMessage]:
        seen = range(after_seq + 1, min(after_seq + limit, self.committed[run_id]) + 1)
        self.go_on()
        return [_event(run_id, seq) for seq in seen]

    def go_on(self) -> bool:
        """Whether anything was left of the plan, up to the reader's next turn."""
        for kind, which in self._plan:
            if kind == "commit":
                self.committed[RUNS[which]] += 1
            elif kind == "deliver":
                self.deliver(RUNS[which])
            else:
                return True
        return False

    def deliver(self, run_id: UUID) -> None:
        if self.offered[run_id] < self.committed[run_id]:
            self.offered[run_id] += 1
            self.forgotten.discard(run_id)
            self.subscription.offer(_event(run_id, self.offered[run_id]))

    async def read_all(self) -> list[Outgoing]:
        """Everything that the reader is given until the plan is done and it has caught up."""
        heard: list[Outgoing] = []
        async for turn in self.subscription.turns(0):
            heard += turn
            if self.go_on():
                continue
            for run_id in RUNS:
                self.deliver(run_id)
            if self.subscription.caught_up and self.offered == self.committed:
                self.subscription.end()
        return heard


def _event(run_id: UUID, seq: int) -> EventMessage:
    return EventMessage(run_id, seq, "progress_updated", "runs", "{}")


_plans = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from((0, 1))), max_size=120)


@given(
    past=st.integers(0, 10),
    begin=st.integers(0, 10),
    hub=st.sampled_from(("behind", "level", "forgetful")),
    plan=_plans,
    queue_size=st.integers(1, 4),
)
def test_each_event_comes_once_and_in_order(
    past: int, begin: int, hub: str, plan: list[tuple[str, int]], queue_size: int
) -> None:
    """The first run has `past` events when the reader asks for those after `begin`; it hears the second run live.

    Of the past, the hub has delivered nothing yet, or all, or all so long ago that it knows nothing of the run.
    """
    first, second = RUNS
    world = _World(plan, queue_size)
    world.committed[first] = past
    world.offered[first] = 0 if hub == "behind" else past
    if hub == "forgetful":
        world.forgotten.add(first)
    world.subscription.replay(first, min(begin, past))
    heard = asyncio.run(_finish(world))
    for run_id, begun in ((first, min(begin, past)), (second, 0)):
        assert _numbers(heard, run_id) == list(range(begun + 1, world.committed[run_id] + 1))
        for place, word in enumerate(heard):
            if isinstance(word, Lagged) and word.run_id == run_id:
                assert word.after_seq == max(_numbers(heard[:place], run_id), default=begun)


async def _finish(world: _World) -> list[Outgoing]:
    async with asyncio.timeout(10):
        return await world.read_all()


def _numbers(heard: list[Outgoing], run_id: UUID) -> list[int]:
    return [word.seq for word in heard if isinstance(word, EventMessage) and word.run_id == run_id]


async def test_a_run_that_was_purged_under_a_reader_is_given_up() -> None:
    world = _World([], queue_size=1)
    run_id = RUNS[0]
    world.committed[run_id] = 5
    for _ in range(5):
        world.deliver(run_id)
    world.committed[run_id] = 0
    world.offered[RUNS[1]] = world.committed[RUNS[1]]
    heard: list[Outgoing] = []
    async with asyncio.timeout(10):
        async for turn in world.subscription.turns(0):
            heard += turn
            if world.subscription.caught_up:
                world.subscription.end()
    assert _numbers(heard, run_id) == [1]


async def test_a_reader_that_names_a_run_again_hears_only_what_it_asks_for() -> None:
    world = _World([], queue_size=9)
    run_id = RUNS[0]
    world.committed[run_id] = 6
    for _ in range(6):
        world.deliver(run_id)
    world.subscription.replay(run_id, 4)
    assert _numbers(await _finish(world), run_id) == [5, 6]
