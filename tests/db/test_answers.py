"""What attempts used is counted once, answers are kept, and failures speak of the provider."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlmodel import col, select

from analysis.verdicts import PROVIDER_WIDE, RunHealth
from db import answers, lifecycle, limiter, runs
from db.answers import Spent, Stored, Usage
from db.engine import Database
from models.base import new_id, now
from models.run import AnalysisBatch, ModelCall, ModelResponse
from models.values import BatchStatus
from tests.support.builders import START, add_batches, add_provider, add_run, batches_of, run_of
from tests.support.waiting import until

USED = Usage(requests=1, input_tokens=100, output_tokens=20, cost=Decimal("0.25"), latency_ms=900)
UNPRICED = Usage(requests=1, input_tokens=10, output_tokens=2, cost=None, latency_ms=90)
EPOCH = datetime.fromisoformat("2000-01-01T00:00:00Z")


async def new_run(database: Database, *, cost: Decimal | None = Decimal(0), batches: int = 2) -> UUID:
    run = await add_run(database, status="running", cost_estimate=cost)
    waiting: list[BatchStatus] = ["waiting"] * batches
    await add_batches(database, run.id, *waiting)
    return run.id


async def count(
    database: Database,
    run_id: UUID,
    batch_no: int = 1,
    *,
    usage: Usage = USED,
    call_id: UUID | None = None,
    outcome: str = "answered",
    detail: str | None = None,
) -> None:
    spent = Spent(call_id or new_id(), batch_no, "stand-in", outcome, detail, usage)
    async with database.connection() as connection:
        await answers.count(connection, run_id, [spent])


async def batch_of(database: Database, run_id: UUID, batch_no: int = 1) -> AnalysisBatch:
    return (await batches_of(database, run_id))[batch_no - 1]


async def test_what_an_attempt_used_is_on_its_batch_and_on_the_run(database: Database) -> None:
    run_id = await new_run(database)
    await count(database, run_id, outcome="timeout", detail="no answer in 60 s")
    await count(database, run_id)
    await count(database, run_id, 2)
    batch, run = await batch_of(database, run_id), await run_of(database, run_id)
    assert (batch.llm_requests, batch.input_tokens, batch.output_tokens) == (2, 200, 40)
    assert (batch.cost_usd, batch.latency_ms, batch.model, batch.error) == (Decimal("0.5"), 900, "stand-in", None)
    assert (run.llm_requests, run.input_tokens, run.output_tokens, run.llm_tokens_used) == (3, 300, 60, 360)
    assert run.cost_estimate == Decimal("0.75")


async def test_an_attempt_that_is_written_twice_counts_once(database: Database) -> None:
    run_id, call_id = await new_run(database), new_id()
    await asyncio.gather(*(count(database, run_id, call_id=call_id) for _ in range(5)))
    batch, run = await batch_of(database, run_id), await run_of(database, run_id)
    assert (batch.llm_requests, run.llm_requests, run.cost_estimate) == (1, 1, Decimal("0.25"))


async def test_parallel_attempts_are_all_counted(database: Database) -> None:
    run_id = await new_run(database, batches=10)
    await asyncio.gather(*(count(database, run_id, 1 + number % 10) for number in range(40)))
    run = await run_of(database, run_id)
    assert (run.llm_requests, run.cost_estimate) == (40, Decimal(10))
    assert {batch.llm_requests for batch in await batches_of(database, run_id)} == {4}


async def test_attempts_that_are_counted_together_are_each_on_their_batch_and_all_on_the_run(
    database: Database,
) -> None:
    run_id, twice = await new_run(database), new_id()
    place = await limiter_place(database, run_id)
    spent = [
        Spent(new_id(), 1, "stand-in", "timeout", "no answer in 60 s", USED),
        Spent(new_id(), 1, "stand-in", "answered", None, USED, fingerprint="one", raw_answer="{}", holder=place),
        Spent(twice, 2, "stand-in", "answered", None, USED, fingerprint="two", raw_answer="[]"),
    ]
    for together in (spent, spent[2:]):
        async with database.connection() as connection:
            await answers.count(connection, run_id, together)
    first, second = await batches_of(database, run_id)
    assert (first.llm_requests, first.cost_usd, first.error) == (2, Decimal("0.5"), None)
    assert (second.llm_requests, second.cost_usd) == (1, Decimal("0.25"))
    run = await run_of(database, run_id)
    assert (run.llm_requests, run.cost_estimate, run.llm_tokens_used) == (3, Decimal("0.75"), 360)
    async with database.connection() as connection:
        kept = [await answers.stored(connection, name) for name in ("one", "two")]
        assert await connection.fetchval("SELECT count(*) FROM provider_leases") == 0
    assert kept == [Stored("{}", "stand-in"), Stored("[]", "stand-in")]


async def limiter_place(database: Database, run_id: UUID) -> UUID:
    """Who holds the place of the first batch."""
    provider, holder = await add_provider(database), new_id()
    async with database.connection() as connection:
        assert await limiter.claim_unlimited(connection, run_id, 1, provider_id=provider, holder=holder)
    return holder


async def test_one_of_several_whose_cost_is_unknown_makes_the_sums_unknown(database: Database) -> None:
    run_id = await new_run(database)
    spent = [
        Spent(new_id(), number, "stand-in", "answered", None, usage) for number, usage in ((1, USED), (2, UNPRICED))
    ]
    async with database.connection() as connection:
        await answers.count(connection, run_id, spent)
    assert [batch.cost_usd for batch in await batches_of(database, run_id)] == [Decimal("0.25"), None]
    assert (await run_of(database, run_id)).cost_estimate is None


async def test_a_cost_that_is_unknown_makes_the_sums_unknown_for_good(database: Database) -> None:
    run_id = await new_run(database)
    await count(database, run_id)
    await count(database, run_id, usage=UNPRICED)
    await count(database, run_id)
    await count(database, run_id, 2)
    run = await run_of(database, run_id)
    assert (run.cost_estimate, run.input_tokens) == (None, 310)
    assert [batch.cost_usd for batch in await batches_of(database, run_id)] == [None, Decimal("0.25")]


async def test_a_first_attempt_without_a_price_is_not_forgotten_by_the_second(database: Database) -> None:
    run_id = await new_run(database, cost=None)
    await count(database, run_id, usage=UNPRICED)
    await count(database, run_id)
    assert (await batch_of(database, run_id)).cost_usd is None


async def test_an_answer_from_the_store_is_counted_once_and_costs_nothing(database: Database) -> None:
    run_id = await new_run(database)
    for _ in range(2):
        async with database.transaction() as session:
            await answers.count_cache_hit(session, run_id, 1, "stand-in")
    batch, run = await batch_of(database, run_id), await run_of(database, run_id)
    assert (batch.cached, batch.model, batch.cost_usd, batch.llm_requests) == (True, "stand-in", Decimal(0), 0)
    assert (run.cache_hits, run.llm_requests, run.cost_estimate) == (1, 0, Decimal(0))


async def test_an_answer_that_this_run_has_paid_for_is_no_hit(database: Database) -> None:
    run_id = await new_run(database)
    await count(database, run_id)
    async with database.transaction() as session:
        await answers.count_cache_hit(session, run_id, 1, "stand-in")
    batch, run = await batch_of(database, run_id), await run_of(database, run_id)
    assert (batch.cached, run.cache_hits, batch.cost_usd) == (False, 0, Decimal("0.25"))


async def test_an_attempt_shows_on_its_batch_until_that_is_settled(database: Database) -> None:
    run_id = await new_run(database)
    for _ in range(2):
        async with database.transaction() as session:
            await answers.open_attempt(session, run_id, 1, "name")
    first = await batch_of(database, run_id)
    assert (first.status, first.attempts, first.fingerprint) == ("running", 2, "name")
    assert first.started_at is not None
    async with database.transaction() as session:
        await session.execute(text("UPDATE analysis_batches SET status = 'completed'"))
        await answers.open_attempt(session, run_id, 1, "other")
    after = await batch_of(database, run_id)
    assert (after.status, after.attempts, after.fingerprint) == ("completed", 2, "name")


async def test_an_attempt_that_comes_after_the_end_of_the_run_leaves_its_batch_waiting(database: Database) -> None:
    run_id = await new_run(database)
    async with runs.locked(database, run_id) as held:
        await lifecycle.cancel(held)
    async with database.transaction() as session:
        await answers.open_attempt(session, run_id, 1, "name")
    assert (await batch_of(database, run_id)).status == "waiting"


async def test_an_attempt_and_a_cancel_of_one_moment_do_not_block_each_other(database: Database, dsn: str) -> None:
    run_id = await new_run(database)
    async with database.transaction() as session:
        await answers.open_attempt(session, run_id, 1, "name")
    watcher = await asyncpg.connect(dsn)

    async def cancel() -> None:
        async with runs.locked(database, run_id) as held:
            await lifecycle.cancel(held)

    async with database.transaction() as session:
        await answers.open_attempt(session, run_id, 1, "name")
        cancelling = asyncio.create_task(cancel())
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        await until(lambda: watcher.fetchval(query))
        await answers.count_cache_hit(session, run_id, 1, "stand-in")
    await cancelling
    await watcher.close()
    run = await run_of(database, run_id)
    assert (run.status, run.cache_hits, (await batch_of(database, run_id)).status) == ("cancelled", 1, "waiting")


async def test_a_batch_of_a_run_that_is_being_cancelled_does_not_begin(database: Database, dsn: str) -> None:
    run_id = await new_run(database)
    watcher = await asyncpg.connect(dsn)

    async def attempt() -> answers.Opened:
        async with database.connection() as connection:
            return await answers.open_attempt(connection, run_id, 1, "name")

    async with runs.locked(database, run_id) as held:
        await lifecycle.cancel(held)
        await held.session.flush()
        opening = asyncio.create_task(attempt())
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        await until(lambda: watcher.fetchval(query))
    assert (await opening).status == "cancelled"
    await watcher.close()
    assert (await batch_of(database, run_id)).status == "waiting"


async def keep(database: Database, run_id: UUID, raw: str = "{}") -> None:
    spent = Spent(new_id(), 1, "stand-in", "answered", None, USED, fingerprint="name", raw_answer=raw)
    async with database.connection() as connection:
        await answers.count(connection, run_id, [spent])


async def test_an_answer_is_found_by_its_name(database: Database) -> None:
    run_id, other = await new_run(database), (await add_run(database, day=1)).id
    await keep(database, run_id)
    async with database.transaction() as session:
        assert await answers.stored(session, "name") == Stored("{}", "stand-in")
        assert await answers.stored(session, "another name") is None
        day = timedelta(days=1)
        assert await answers.reusable(session, "name", other, since=now() - day) is not None
        assert await answers.reusable(session, "name", other, since=now() + day) is None
        assert await answers.reusable(session, "name", other, since=None) is None
        # What a run has paid for itself is never too old for it.
        assert await answers.reusable(session, "name", run_id, since=now() + day) is not None
        assert await answers.reusable(session, "name", run_id, since=None) is not None


async def test_a_newer_answer_replaces_the_older(database: Database) -> None:
    run_id, other = await new_run(database), (await add_run(database, day=1)).id
    await add_batches(database, other, "waiting")
    await keep(database, run_id, "old")
    await keep(database, other, "new")
    async with database.transaction() as session:
        [row] = (await session.exec(select(ModelResponse))).all()
    assert (row.raw_answer, row.run_id) == ("new", other)


async def calls(database: Database, run_id: UUID, *made: tuple[str, float], batch_no: int = 1) -> None:
    """Calls with these outcomes, so many seconds after START."""
    async with database.transaction() as session:
        session.add_all(
            ModelCall(run_id=run_id, batch_no=batch_no, outcome=outcome, at=START + timedelta(seconds=second))
            for outcome, second in made
        )


async def health(database: Database, run_id: UUID, *, since: datetime = EPOCH, batch_no: int = 1) -> RunHealth:
    async with database.transaction() as session:
        return await answers.health(session, run_id, batch_no, PROVIDER_WIDE, since)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def test_a_run_without_calls_is_in_no_trouble(database: Database) -> None:
    assert await health(database, await new_run(database)) == RunHealth(None, 0, None, [])


async def test_only_failures_after_the_last_success_speak_against_the_provider(database: Database) -> None:
    run_id = await new_run(database)
    await calls(database, run_id, ("timeout", 1), ("server_error", 2), batch_no=2)
    assert await health(database, run_id) == RunHealth(None, 2, at(1), [])
    await calls(database, run_id, ("answered", 3), ("auth", 4), ("connection", 5), batch_no=2)
    assert await health(database, run_id) == RunHealth(at(3), 2, at(4), [])
    await calls(database, run_id, ("answered", 6), batch_no=2)
    assert await health(database, run_id) == RunHealth(at(6), 0, None, [])


async def test_failures_of_the_batch_itself_do_not_speak_against_the_provider(database: Database) -> None:
    run_id = await new_run(database)
    await calls(database, run_id, ("bad_answer", 1), ("rate_limited", 2), ("cancelled", 3))
    assert await health(database, run_id) == RunHealth(None, 0, None, [at(1), at(2), at(3)])


async def test_a_batch_knows_its_own_failures_over_successes_of_others(database: Database) -> None:
    run_id = await new_run(database)
    await calls(database, run_id, ("timeout", 1), ("timeout", 3))
    await calls(database, run_id, ("answered", 2), ("timeout", 4), batch_no=2)
    assert await health(database, run_id) == RunHealth(at(2), 2, at(3), [at(1), at(3)])


async def test_a_resume_begins_the_count_again(database: Database) -> None:
    run_id = await new_run(database)
    await calls(database, run_id, ("answered", 0), ("timeout", 1), ("timeout", 2), ("timeout", 8))
    assert await health(database, run_id, since=at(5)) == RunHealth(at(0), 1, at(8), [at(8)])


async def test_other_runs_do_not_count(database: Database) -> None:
    run_id, other = await new_run(database), (await add_run(database, day=1)).id
    await calls(database, other, ("answered", 1), ("timeout", 2))
    assert await health(database, run_id) == RunHealth(None, 0, None, [])


async def test_the_last_failure_tells_why(database: Database) -> None:
    run_id = await new_run(database)
    details: Sequence[tuple[str, str | None]] = (("timeout", "first"), ("auth", "second"), ("answered", None))
    for outcome, detail in details:
        await count(database, run_id, outcome=outcome, detail=detail)
    async with database.transaction() as session:
        assert await answers.last_failure(session, run_id) == "second"
        assert await answers.last_failure(session, new_id()) is None
        rows = await session.exec(select(ModelCall.outcome).order_by(col(ModelCall.at)))
        assert rows.all() == ["timeout", "auth", "answered"]
