"""A run's budget: money is set aside before each request and settled after it, so that parallel calls can't pass it.

A reservation belongs to one attempt at one batch. It is gone once its usage is counted; where the usage stays unknown
(the call timed out, was cancelled, or its worker died) it counts as spent.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession


@dataclass(frozen=True)
class Attempt:
    """Whose money it is: the run's attempt, by its number, at a batch."""

    run_id: UUID
    batch_no: int
    number: int

    def key(self) -> dict[str, object]:
        return {"run": self.run_id, "batch_no": self.batch_no, "attempt": self.number}


@dataclass(frozen=True)
class Account:
    """Where a run's budget stands, in US dollars. `others` are calls under way of other attempts."""

    spent: Decimal
    others: Decimal
    unknown: Decimal

    @property
    def committed(self) -> Decimal:
        return self.spent + self.others + self.unknown


_lock = text("SELECT cost_estimate FROM analysis_runs WHERE id = :run FOR NO KEY UPDATE")
# What an attempt that died had under way is unknown from the moment at which another takes its place.
_supersede = text(
    "UPDATE budget_reservations SET state = 'unknown'"
    " WHERE run_id = :run AND batch_no = :batch_no AND attempt < :attempt AND state = 'open'"
)
_sums = text(
    """
    SELECT coalesce(sum(spent_usd + reserved_usd) FILTER (WHERE state = 'open'), 0),
           coalesce(sum(spent_usd + reserved_usd) FILTER (WHERE state = 'unknown'), 0)
    FROM budget_reservations WHERE run_id = :run AND (batch_no, attempt) <> (:batch_no, :attempt)
    """
)
_reserve = text(
    """
    INSERT INTO budget_reservations (run_id, batch_no, attempt, reserved_usd, spent_usd)
    VALUES (:run, :batch_no, :attempt, :reserved, :spent)
    ON CONFLICT (run_id, batch_no, attempt) DO UPDATE
        SET reserved_usd = excluded.reserved_usd, spent_usd = excluded.spent_usd
    """
)


async def account(session: AsyncSession, attempt: Attempt) -> Account:
    """The run's account as this attempt sees it, locked until the end of the transaction."""
    spent = await session.scalar(_lock, {"run": attempt.run_id})
    await session.execute(_supersede, attempt.key())
    others, unknown = (await session.execute(_sums, attempt.key())).one()
    return Account(Decimal(spent or 0), Decimal(others), Decimal(unknown))


async def set_aside(session: AsyncSession, run_id: UUID) -> tuple[Decimal, Decimal]:
    """What is set aside for calls under way, and what counts as spent for calls whose usage is unknown."""
    nobody = {"run": run_id, "batch_no": 0, "attempt": 0}
    reserved, unknown = (await session.execute(_sums, nobody)).one()
    return Decimal(reserved), Decimal(unknown)


async def reserve(session: AsyncSession, attempt: Attempt, amount: Decimal, *, spent: Decimal) -> None:
    """Set `amount` aside for the attempt's next request, in place of what it had set aside for the one before.
    `spent` is what this attempt used so far and the run has not counted yet."""
    await session.execute(_reserve, {**attempt.key(), "reserved": amount, "spent": spent})


async def settle(session: AsyncSession, attempt: Attempt, usage: Literal["known", "unknown"]) -> None:
    """End a reservation in the transaction that counts the attempt: by its usage, or as spent where that is unknown."""
    if usage == "known":
        await session.execute(
            text("DELETE FROM budget_reservations WHERE run_id = :run AND batch_no = :batch_no AND attempt = :attempt"),
            attempt.key(),
        )
        return
    await session.execute(
        text(
            "UPDATE budget_reservations SET state = 'unknown', spent_usd = 0"
            " WHERE run_id = :run AND batch_no = :batch_no AND attempt = :attempt"
        ),
        attempt.key(),
    )


async def longest_answer(session: AsyncSession, run_id: UUID) -> int:
    """Output tokens of the run's longest answer so far; 0 before the first."""
    longest = await session.scalar(
        text(
            "SELECT max(output_tokens / greatest(requests, 1)) FROM model_calls"
            " WHERE run_id = :run AND outcome = 'answered'"
        ),
        {"run": run_id},
    )
    return int(longest or 0)
