"""One limiter per provider over all workers and runs: an allowance a minute, a number of calls at once, a closed door.

The allowance refills all the time and holds at most `BURST_SECONDS` worth. A call's place expires by itself when its
worker dies. Of the runs that wait the one that was served least goes first, however many calls each has waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from db.statements import On, Statement

BURST_SECONDS = 5.0
LEASE_SECONDS = 4.0
"""How long a place outlives its holder's last sign of life."""
LONGEST_CLOSURE_SECONDS = 300.0
NO_LIMIT = 1e12
"""What stands for a missing limit."""
LONGEST_WAIT_SECONDS = 2.0
"""Between two looks at a limiter that says no: others may free it, the run may be paused."""
WANTED_SECONDS = 2.0
"""How long a run is taken to wait for a place after it asked. Whoever waits asks again sooner."""
NEXT_WANTED_SECONDS = 1.0
"""The same for a request, from the moment on at which it may ask again."""
TURN_SECONDS = 0.1
"""How long to wait while it is another run's turn."""


@dataclass(frozen=True)
class Limits:
    """A provider's limits; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    @property
    def rated(self) -> bool:
        """Whether requests or tokens a minute are limited."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None


_ensure = text(
    "INSERT INTO provider_limits (provider_id, requests_left, tokens_left, refilled_at)"
    " VALUES (:provider, 0, 0, now() - interval '1 hour') ON CONFLICT DO NOTHING"
)
_lock = text("SELECT 1 FROM provider_limits WHERE provider_id = :provider FOR UPDATE")
# The other batches' places, whether an attempt that lives holds this batch, and how many runs that wait come first.
_places = text(
    """
    WITH live AS (
        SELECT run_id, batch_no, holder FROM provider_leases
        WHERE provider_id = :provider AND expires_at > clock_timestamp()
    ), mine AS (
        SELECT (SELECT count(*) FROM live WHERE run_id = :run) AS places,
               coalesce((SELECT place_served_at FROM provider_turns WHERE provider_id = :provider AND run_id = :run),
                        '-infinity') AS served_at
    )
    SELECT (SELECT count(*) FROM live WHERE (run_id, batch_no) <> (:run, :batch_no)),
           EXISTS (SELECT FROM live WHERE run_id = :run AND batch_no = :batch_no AND holder <> :holder),
           (SELECT count(*) FROM provider_turns AS other, mine
            WHERE other.provider_id = :provider AND other.run_id <> :run
              AND other.place_wanted_until > clock_timestamp()
              AND ((SELECT count(*) FROM live WHERE live.run_id = other.run_id),
                   coalesce(other.place_served_at, '-infinity')) < (mine.places, mine.served_at))
    """
)
_want_place = text(
    """
    INSERT INTO provider_turns (provider_id, run_id, place_wanted_until)
    VALUES (:provider, :run, clock_timestamp() + make_interval(secs => CAST(:wanted AS float8)))
    ON CONFLICT (provider_id, run_id) DO UPDATE SET place_wanted_until = excluded.place_wanted_until
    """
)
_serve_place = text(
    """
    INSERT INTO provider_turns (provider_id, run_id, place_served_at) VALUES (:provider, :run, clock_timestamp())
    ON CONFLICT (provider_id, run_id) DO UPDATE
        SET place_served_at = excluded.place_served_at, place_wanted_until = NULL
    """
)
_claim = Statement(
    """
    INSERT INTO provider_leases (run_id, batch_no, provider_id, holder, expires_at)
    VALUES (:run, :batch_no, :provider, :holder, clock_timestamp() + make_interval(secs => CAST(:life AS float8)))
    ON CONFLICT (run_id, batch_no) DO UPDATE
        SET provider_id = excluded.provider_id, holder = excluded.holder, expires_at = excluded.expires_at
        WHERE provider_leases.expires_at <= clock_timestamp() OR provider_leases.holder = excluded.holder
    RETURNING 1
    """
)


async def claim(
    session: AsyncSession, run_id: UUID, batch_no: int, *, provider_id: UUID, holder: UUID, limits: Limits
) -> bool:
    """Take the batch's place at the provider; False while another attempt holds it, all places are taken, or those that
    are free are for runs that have fewer."""
    if limits.concurrency is None:
        return await claim_unlimited(session, run_id, batch_no, provider_id=provider_id, holder=holder)
    values = _claim_values(run_id, batch_no, provider_id, holder)
    await session.execute(_ensure, values)
    await session.execute(_lock, values)
    busy, held, before = (await session.execute(_places, values)).one()
    if held:
        return False
    if before >= limits.concurrency - busy:
        await session.execute(_want_place, values)
        return False
    await session.execute(_serve_place, values)
    return await _claim.row(session, values) is not None


async def claim_unlimited(on: On, run_id: UUID, batch_no: int, *, provider_id: UUID, holder: UUID) -> bool:
    """The same at a provider without a limit of calls at once: one statement, False only while another attempt holds
    the place."""
    return await _claim.row(on, _claim_values(run_id, batch_no, provider_id, holder)) is not None


def _claim_values(run_id: UUID, batch_no: int, provider_id: UUID, holder: UUID) -> dict[str, object]:
    return {
        "run": run_id,
        "batch_no": batch_no,
        "provider": provider_id,
        "holder": holder,
        "life": LEASE_SECONDS,
        "wanted": WANTED_SECONDS,
    }


_renew = Statement(
    "UPDATE provider_leases SET expires_at = clock_timestamp() + make_interval(secs => CAST(:life AS float8))"
    " WHERE holder = ANY (CAST(:holders AS uuid[]))"
)
_release = Statement("DELETE FROM provider_leases WHERE holder = :holder")


async def renew(on: On, holders: Sequence[UUID]) -> None:
    """Say that the holders live."""
    await _renew.rows(on, {"holders": list(holders), "life": LEASE_SECONDS})


async def release(on: On, holder: UUID) -> None:
    """Give the place back."""
    await _release.rows(on, {"holder": holder})


_take = text(
    """
    WITH refilled AS (
        SELECT provider_id,
               least(requests_left + elapsed * CAST(:request_rate AS float8), :request_burst) AS requests_left,
               least(tokens_left + elapsed * CAST(:token_rate AS float8), :token_burst) AS tokens_left,
               greatest(extract(epoch FROM closed_until - clock_timestamp()), 0)::float8 AS closed
        FROM (
            SELECT *, extract(epoch FROM clock_timestamp() - refilled_at)::float8 AS elapsed
            FROM provider_limits WHERE provider_id = :provider FOR UPDATE
        ) AS locked
    ), allowed AS (
        SELECT *, greatest(
            coalesce(closed, 0),
            (1 - requests_left) / CAST(:request_rate AS float8),
            (least(CAST(:tokens AS float8), :token_burst) - tokens_left) / CAST(:token_rate AS float8)
        ) AS wait FROM refilled
    ), judged AS (
        SELECT allowed.provider_id, requests_left, tokens_left, CASE WHEN wait <= 0 AND EXISTS (
            SELECT FROM provider_turns AS other
            WHERE other.provider_id = :provider AND other.run_id <> :run
              AND other.request_wanted_until > clock_timestamp()
              AND coalesce(other.request_served_at, '-infinity') < coalesce(
                  (SELECT request_served_at FROM provider_turns WHERE provider_id = :provider AND run_id = :run),
                  '-infinity')
        ) THEN CAST(:turn AS float8) ELSE wait END AS wait FROM allowed
    ), turned AS (
        INSERT INTO provider_turns (provider_id, run_id, request_served_at, request_wanted_until)
        SELECT provider_id, :run,
               CASE WHEN wait <= 0 THEN clock_timestamp() END,
               CASE WHEN wait > 0 THEN clock_timestamp()
                    + make_interval(secs => least(wait, CAST(:longest AS float8)) + CAST(:wanted AS float8)) END
        FROM judged
        ON CONFLICT (provider_id, run_id) DO UPDATE
            SET request_served_at = coalesce(excluded.request_served_at, provider_turns.request_served_at),
                request_wanted_until = excluded.request_wanted_until
    ), taken AS (
        UPDATE provider_limits AS limits SET
            requests_left = judged.requests_left - CASE WHEN judged.wait <= 0 THEN 1 ELSE 0 END,
            tokens_left = judged.tokens_left - CASE WHEN judged.wait <= 0 THEN CAST(:tokens AS float8) ELSE 0 END,
            refilled_at = clock_timestamp()
        FROM judged WHERE limits.provider_id = judged.provider_id
        RETURNING judged.wait
    )
    SELECT wait FROM taken
    """
)


_closed = text(
    "SELECT greatest(extract(epoch FROM closed_until - clock_timestamp()), 0)::float8"
    " FROM provider_limits WHERE provider_id = :provider"
)


async def take(session: AsyncSession, provider_id: UUID, run_id: UUID, limits: Limits, tokens: int) -> float:
    """Ask for one request of about so many tokens: 0 when it may go now, else the seconds to wait before asking again,
    at least every `LONGEST_WAIT_SECONDS`.

    A request of more tokens than a burst goes when the allowance is full, and leaves a debt. While another run waits
    that was served less recently, it is that run's turn.
    """
    if not limits.rated:
        return float(await session.scalar(_closed, {"provider": provider_id}) or 0.0)
    request_rate = (limits.requests_per_minute or NO_LIMIT) / 60
    token_rate = (limits.tokens_per_minute or NO_LIMIT) / 60
    values = {
        "provider": provider_id,
        "request_rate": request_rate,
        "request_burst": max(1.0, request_rate * BURST_SECONDS),
        "token_rate": token_rate,
        "token_burst": token_rate * BURST_SECONDS,
        "tokens": float(tokens),
        "run": run_id,
        "turn": TURN_SECONDS,
        "longest": LONGEST_WAIT_SECONDS,
        "wanted": NEXT_WANTED_SECONDS,
    }
    await session.execute(_ensure, {"provider": provider_id})
    wait = await session.scalar(_take, values)
    return max(0.0, float(wait or 0.0))


async def settle(session: AsyncSession, provider_id: UUID, limits: Limits, *, estimated: int, used: int) -> None:
    """Charge what requests really used instead of what `take` was told: the limit is on that."""
    if limits.tokens_per_minute is None or estimated == used:
        return
    await session.execute(
        text("UPDATE provider_limits SET tokens_left = tokens_left - :more WHERE provider_id = :provider"),
        {"provider": provider_id, "more": float(used - estimated)},
    )


async def close(session: AsyncSession, provider_id: UUID, seconds: float) -> None:
    """Let no request go for so many seconds (at most five minutes); a longer closure in force stays."""
    await session.execute(_ensure, {"provider": provider_id})
    await session.execute(
        text(
            "UPDATE provider_limits SET closed_until ="
            " greatest(closed_until, clock_timestamp() + make_interval(secs => CAST(:seconds AS float8)))"
            " WHERE provider_id = :provider"
        ),
        {"provider": provider_id, "seconds": min(seconds, LONGEST_CLOSURE_SECONDS)},
    )
