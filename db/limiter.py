"""One limiter per provider over all workers and runs: an allowance a minute, a number of calls at once, a closed door.

The allowance refills all the time and holds at most `BURST_SECONDS` worth. A call's place expires by itself when its
worker dies.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

BURST_SECONDS = 5.0
LEASE_SECONDS = 12.0
"""How long a place outlives its holder's last sign of life."""
LONGEST_CLOSURE_SECONDS = 300.0
NO_LIMIT = 1e12
"""What stands for a missing limit."""


@dataclass(frozen=True)
class Limits:
    """A provider's limits; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


_ensure = text(
    "INSERT INTO provider_limits (provider_id, requests_left, tokens_left, refilled_at)"
    " VALUES (:provider, 0, 0, now() - interval '1 hour') ON CONFLICT DO NOTHING"
)
_lock = text("SELECT 1 FROM provider_limits WHERE provider_id = :provider FOR UPDATE")
_busy = text(
    "SELECT count(*) FROM provider_leases WHERE provider_id = :provider AND expires_at > clock_timestamp()"
    " AND (run_id, batch_no) <> (:run, :batch_no)"
)
_claim = text(
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
    """Take the batch's place at the provider; False while another attempt holds it or all places are taken."""
    values = {
        "run": run_id,
        "batch_no": batch_no,
        "provider": provider_id,
        "holder": holder,
        "life": LEASE_SECONDS,
    }
    if limits.concurrency is not None:
        await session.execute(_ensure, {"provider": provider_id})
        await session.execute(_lock, {"provider": provider_id})
        if int(await session.scalar(_busy, values) or 0) >= limits.concurrency:
            return False
    return await session.scalar(_claim, values) is not None


async def renew(session: AsyncSession, holder: UUID) -> None:
    """Say that the holder lives."""
    await session.execute(
        text(
            "UPDATE provider_leases SET expires_at = clock_timestamp() + make_interval(secs => CAST(:life AS float8))"
            " WHERE holder = :holder"
        ),
        {"holder": holder, "life": LEASE_SECONDS},
    )


async def release(session: AsyncSession, holder: UUID) -> None:
    """Give the place back."""
    await session.execute(text("DELETE FROM provider_leases WHERE holder = :holder"), {"holder": holder})


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
    ), judged AS (
        SELECT *, greatest(
            coalesce(closed, 0),
            (1 - requests_left) / CAST(:request_rate AS float8),
            (least(CAST(:tokens AS float8), :token_burst) - tokens_left) / CAST(:token_rate AS float8)
        ) AS wait FROM refilled
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


async def take(session: AsyncSession, provider_id: UUID, limits: Limits, tokens: int) -> float:
    """Ask for one request of about so many tokens: 0 when it may go now, else the seconds to wait before asking again.

    A request of more tokens than a burst goes when the allowance is full, and leaves a debt.
    """
    request_rate = (limits.requests_per_minute or NO_LIMIT) / 60
    token_rate = (limits.tokens_per_minute or NO_LIMIT) / 60
    values = {
        "provider": provider_id,
        "request_rate": request_rate,
        "request_burst": max(1.0, request_rate * BURST_SECONDS),
        "token_rate": token_rate,
        "token_burst": token_rate * BURST_SECONDS,
        "tokens": float(tokens),
    }
    await session.execute(_ensure, {"provider": provider_id})
    wait = await session.scalar(_take, values)
    return max(0.0, float(wait or 0.0))


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
