"""One limiter per provider over all workers: an allowance, a number of places, a closed door.

Time passes by setting the rows back, and what is granted is compared with the time by the database's clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text

from db import limiter
from db.engine import Database
from db.limiter import BURST_SECONDS, Limits
from models.base import new_id
from tests.support.builders import add_provider, add_run

UNLIMITED = Limits()
ONE_A_SECOND = Limits(requests_per_minute=60)
HUNDRED_TOKENS_A_SECOND = Limits(tokens_per_minute=6000)


@pytest.fixture
async def provider(database: Database) -> UUID:
    return await add_provider(database)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a while is not a holder that died, or one that stopped asking."""
    for name in ("LEASE_SECONDS", "WANTED_SECONDS", "NEXT_WANTED_SECONDS"):
        monkeypatch.setattr(limiter, name, 600.0)


@pytest.fixture(autouse=True)
async def run(database: Database) -> UUID:
    """The run that asks where no other is named."""
    return (await add_run(database)).id


async def take(
    database: Database, provider: UUID, limits: Limits, tokens: int = 0, *, run_id: UUID | None = None
) -> float:
    async with database.transaction() as session:
        asking = run_id or await session.scalar(text("SELECT id FROM analysis_runs ORDER BY created_at LIMIT 1"))
        assert asking is not None
        return await limiter.take(session, provider, asking, limits, tokens)


async def pass_time(database: Database, seconds: float) -> None:
    async with database.transaction() as session:
        await session.execute(
            text(
                "UPDATE provider_limits SET"
                " refilled_at = refilled_at - make_interval(secs => CAST(:seconds AS float8)),"
                " closed_until = closed_until - make_interval(secs => CAST(:seconds AS float8))"
            ),
            {"seconds": seconds},
        )


@dataclass
class Span:
    """Seconds by the database's clock."""

    seconds: float = 0


@asynccontextmanager
async def measured(database: Database) -> AsyncIterator[Span]:
    """How long the block took by the database's clock; filled at its end."""
    clock = text("SELECT extract(epoch FROM clock_timestamp())::float8")
    span = Span()
    async with database.transaction() as session:
        begin = float(await session.scalar(clock) or 0)
    yield span
    async with database.transaction() as session:
        span.seconds = float(await session.scalar(clock) or 0) - begin


async def test_without_limits_nothing_waits(database: Database, provider: UUID) -> None:
    waits = await asyncio.gather(*(take(database, provider, UNLIMITED, 1_000_000) for _ in range(30)))
    assert set(waits) == {0}


async def test_parallel_takers_never_get_more_than_the_burst_and_what_the_time_gives(
    database: Database, provider: UUID
) -> None:
    async with measured(database) as span:
        waits = await asyncio.gather(*(take(database, provider, ONE_A_SECOND) for _ in range(40)))
    granted = waits.count(0)
    assert BURST_SECONDS <= granted <= BURST_SECONDS + span.seconds
    passed = 0
    async with measured(database) as more:
        for seconds in (1, 2, 3):
            await pass_time(database, seconds)
            waits = await asyncio.gather(*(take(database, provider, ONE_A_SECOND) for _ in range(20)))
            granted += waits.count(0)
            passed += seconds
    assert BURST_SECONDS + passed <= granted <= BURST_SECONDS + passed + span.seconds + more.seconds


async def test_parallel_takers_never_get_more_tokens_than_the_burst_and_what_the_time_gives(
    database: Database, provider: UUID
) -> None:
    async with measured(database) as span:
        waits = await asyncio.gather(*(take(database, provider, HUNDRED_TOKENS_A_SECOND, 60) for _ in range(40)))
    burst = 100 * BURST_SECONDS
    assert burst - 60 < waits.count(0) * 60 <= burst + 100 * span.seconds


async def test_whoever_waits_as_long_as_told_goes_next(database: Database, provider: UUID) -> None:
    for limits, tokens in ((ONE_A_SECOND, 0), (HUNDRED_TOKENS_A_SECOND, 170)):
        while (wait := await take(database, provider, limits, tokens)) == 0:
            pass
        assert 0 < wait <= (tokens or 100) / 100
        await pass_time(database, wait)
        assert await take(database, provider, limits, tokens) == 0


async def test_asking_again_and_again_costs_no_allowance(database: Database, provider: UUID) -> None:
    limits = Limits(requests_per_minute=6)
    async with measured(database) as span:
        assert await take(database, provider, limits) == 0
        waits = [await take(database, provider, limits) for _ in range(5)]
    assert waits == sorted(waits, reverse=True)
    assert 10 - span.seconds <= waits[-1] <= waits[0] <= 10


async def test_the_allowance_holds_no_more_than_a_burst(database: Database, provider: UUID) -> None:
    await take(database, provider, ONE_A_SECOND)
    await pass_time(database, 3600)
    async with measured(database) as span:
        waits = await asyncio.gather(*(take(database, provider, ONE_A_SECOND) for _ in range(20)))
    assert BURST_SECONDS <= waits.count(0) <= BURST_SECONDS + span.seconds


async def test_a_limit_under_one_a_burst_still_lets_one_go(database: Database, provider: UUID) -> None:
    limits = Limits(requests_per_minute=1)
    async with measured(database) as span:
        assert await take(database, provider, limits) == 0
        wait = await take(database, provider, limits)
    assert 60 - span.seconds <= wait <= 60


async def test_a_request_of_more_tokens_than_a_burst_goes_and_leaves_a_debt(database: Database, provider: UUID) -> None:
    async with measured(database) as span:
        assert await take(database, provider, HUNDRED_TOKENS_A_SECOND, 10_000) == 0
        small = await take(database, provider, HUNDRED_TOKENS_A_SECOND, 1)
        large = await take(database, provider, HUNDRED_TOKENS_A_SECOND, 10_000)
    assert 95 - span.seconds <= small <= 95.01
    assert 100 - span.seconds <= large <= 100


async def test_the_stricter_of_two_limits_holds(database: Database, provider: UUID) -> None:
    both = Limits(requests_per_minute=60, tokens_per_minute=6000)
    async with measured(database) as span:
        assert await take(database, provider, both, 500) == 0
        wait = await take(database, provider, both, 100)
    assert max(0, 1 - span.seconds) <= wait <= 1
    assert await take(database, provider, both, 0) == 0


async def test_a_new_limit_holds_at_once(database: Database, provider: UUID) -> None:
    assert await take(database, provider, UNLIMITED, 100) == 0
    async with measured(database) as span:
        waits = await asyncio.gather(*(take(database, provider, ONE_A_SECOND) for _ in range(20)))
    assert BURST_SECONDS <= waits.count(0) <= BURST_SECONDS + span.seconds


async def test_each_provider_has_an_allowance_of_its_own(database: Database, provider: UUID) -> None:
    limits = Limits(requests_per_minute=1)
    assert await take(database, provider, limits) == 0
    assert await take(database, await add_provider(database), limits) == 0


async def close(database: Database, provider: UUID, seconds: float) -> None:
    async with database.transaction() as session:
        await limiter.close(session, provider, seconds)


async def test_a_closed_provider_lets_nobody_go_until_its_time(database: Database, provider: UUID) -> None:
    await close(database, provider, 30)
    waits = await asyncio.gather(*(take(database, provider, UNLIMITED) for _ in range(5)))
    assert all(25 < wait <= 30 for wait in waits)
    await pass_time(database, 30)
    assert await take(database, provider, UNLIMITED) == 0


async def test_a_longer_closure_stays_and_none_is_over_five_minutes(database: Database, provider: UUID) -> None:
    await close(database, provider, 60)
    await close(database, provider, 5)
    assert 55 < await take(database, provider, UNLIMITED) <= 60
    await close(database, provider, 86_400)
    assert 295 < await take(database, provider, UNLIMITED) <= 300


async def test_the_allowance_refills_behind_a_closed_door(database: Database, provider: UUID) -> None:
    while await take(database, provider, ONE_A_SECOND) == 0:
        pass
    await close(database, provider, 10)
    await take(database, provider, ONE_A_SECOND)
    await pass_time(database, 10)
    waits = [await take(database, provider, ONE_A_SECOND) for _ in range(5)]
    assert waits == [0] * 5


@dataclass(frozen=True)
class Places:
    """The places of a provider, asked for by the batches of one run."""

    database: Database
    run_id: UUID
    provider: UUID
    limits: Limits

    async def claim(self, batch_no: int, holder: UUID) -> bool:
        async with self.database.transaction() as session:
            return await limiter.claim(
                session, self.run_id, batch_no, provider_id=self.provider, holder=holder, limits=self.limits
            )

    async def renew(self, holder: UUID) -> None:
        async with self.database.transaction() as session:
            await limiter.renew(session, [holder])

    async def release(self, holder: UUID) -> None:
        async with self.database.transaction() as session:
            await limiter.release(session, holder)

    async def expire(self, holder: UUID) -> None:
        await self._set(holder, "clock_timestamp()")

    async def nearly_expire(self, holder: UUID) -> None:
        await self._set(holder, "clock_timestamp() + interval '1 s'")

    async def _set(self, holder: UUID, moment: str) -> None:
        async with self.database.transaction() as session:
            statement = f"UPDATE provider_leases SET expires_at = {moment} WHERE holder = :holder"
            await session.execute(text(statement), {"holder": holder})

    async def seconds_left(self, holder: UUID) -> float:
        query = (
            "SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM provider_leases WHERE holder = :h"
        )
        async with self.database.transaction() as session:
            return float(await session.scalar(text(query), {"h": holder}) or 0)


@pytest.fixture
async def places(database: Database, provider: UUID, run: UUID) -> Places:
    """A provider of three places."""
    return Places(database, run, provider, Limits(concurrency=3))


@pytest.fixture
async def other(places: Places) -> Places:
    """The same places, asked for by another run."""
    return Places(places.database, await _another_run(places.database), places.provider, places.limits)


async def _another_run(database: Database) -> UUID:
    return (await add_run(database, status="closed")).id


async def test_places_go_to_runs_in_turn_however_many_calls_each_has_waiting(places: Places, other: Places) -> None:
    held = [(places, new_id()) for _ in range(3)]
    assert all([await places.claim(number, holder) for number, (_, holder) in enumerate(held)])
    served = []
    for turn in range(6):
        # The large run asks with twenty batches before the small one with one.
        for number in range(20):
            assert not await places.claim(100 + 20 * turn + number, new_id())
        assert not await other.claim(turn, new_id())
        owner, holder = held.pop(0)
        await owner.release(holder)
        fresh = new_id()
        for asking, number in ((places, 1000 + turn), (other, turn)):
            if await asking.claim(number, fresh):
                served.append("small" if asking is other else "large")
                held.append((asking, fresh))
    assert len(served) == 6
    assert served.count("small") >= 3
    assert served[0] == "small"


async def test_a_place_is_not_kept_for_a_run_that_stopped_asking(places: Places, other: Places) -> None:
    holders = [new_id() for _ in range(3)]
    assert all([await places.claim(number, holder) for number, holder in enumerate(holders)])
    assert not await other.claim(1, new_id())
    await places.release(holders[0])
    assert not await places.claim(10, new_id())
    async with places.database.transaction() as session:
        await session.execute(text("UPDATE provider_turns SET place_wanted_until = clock_timestamp()"))
    assert await places.claim(10, new_id())


async def test_requests_go_to_runs_in_turn(database: Database, provider: UUID, run: UUID) -> None:
    small = await _another_run(database)
    while await take(database, provider, ONE_A_SECOND, run_id=run) == 0:
        pass
    assert await take(database, provider, ONE_A_SECOND, run_id=small) > 0
    served = []
    for _ in range(6):
        await pass_time(database, 1.2)
        asked = (run, run, small)
        served += [asking for asking in asked if await take(database, provider, ONE_A_SECOND, run_id=asking) == 0]
    assert abs(served.count(small) - served.count(run)) <= 1
    assert served[0] == small


async def test_what_was_really_used_is_charged(database: Database, provider: UUID) -> None:
    limits = Limits(tokens_per_minute=6000)
    async with measured(database) as span:
        assert await take(database, provider, limits, 100) == 0
        async with database.transaction() as session:
            await limiter.settle(session, provider, limits, estimated=100, used=1100)
        wait = await take(database, provider, limits, 100)
    assert 7 - span.seconds <= wait <= 7.01
    async with database.transaction() as session:
        await limiter.settle(session, provider, limits, estimated=1100, used=100)
    assert await take(database, provider, limits, 100) == 0


async def test_a_batch_is_held_by_one_attempt_at_a_time(places: Places) -> None:
    one, other = new_id(), new_id()
    assert await places.claim(1, one)
    assert not await places.claim(1, other)
    assert await places.claim(1, one)
    assert await places.claim(2, other)


async def test_of_parallel_attempts_at_a_batch_one_holds_it(places: Places) -> None:
    for limits in (places.limits, UNLIMITED):
        asked = Places(places.database, places.run_id, places.provider, limits)
        batch_no = 1 if limits is UNLIMITED else 2
        assert sum(await asyncio.gather(*(asked.claim(batch_no, new_id()) for _ in range(10)))) == 1


async def test_the_place_of_one_who_died_is_taken_over(places: Places) -> None:
    dead, heir = new_id(), new_id()
    assert await places.claim(1, dead)
    await places.expire(dead)
    assert await places.claim(1, heir)
    # What the dead one does later touches nothing.
    await places.renew(dead)
    await places.release(dead)
    assert not await places.claim(1, new_id())
    assert await places.claim(1, heir)


async def test_a_holder_that_shows_life_keeps_its_place(places: Places) -> None:
    holder = new_id()
    assert await places.claim(1, holder)
    await places.nearly_expire(holder)
    await places.renew(holder)
    assert limiter.LEASE_SECONDS / 2 < await places.seconds_left(holder) <= limiter.LEASE_SECONDS


async def test_a_place_given_back_is_free(places: Places) -> None:
    one, other = new_id(), new_id()
    assert await places.claim(1, one)
    await places.release(one)
    assert await places.claim(1, other)


async def test_parallel_claimers_never_have_more_places_than_there_are(places: Places) -> None:
    holders = [new_id() for _ in range(20)]
    got = await asyncio.gather(*(places.claim(number, holder) for number, holder in enumerate(holders)))
    assert sum(got) == 3
    first, second, third = (holder for holder, has in zip(holders, got, strict=True) if has)
    await places.release(first)
    await places.expire(second)
    again = await asyncio.gather(*(places.claim(100 + number, new_id()) for number in range(20)))
    assert sum(again) == 2
    assert await places.claim(holders.index(third), third)


async def test_without_a_limit_every_batch_has_a_place(places: Places) -> None:
    free = Places(places.database, places.run_id, places.provider, UNLIMITED)
    assert all(await asyncio.gather(*(free.claim(number, new_id()) for number in range(20))))
    assert not await places.claim(100, new_id())


async def test_places_at_one_provider_are_none_at_another(places: Places) -> None:
    other = Places(places.database, places.run_id, await add_provider(places.database), places.limits)
    assert all([await places.claim(number, new_id()) for number in range(3)])
    assert not await places.claim(3, new_id())
    assert await other.claim(3, new_id())
