"""Model answers, stored so that each is paid for once, and the record of every attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.verdicts import RunHealth
from models.run import AnalysisRun, ModelCall, ModelResponse


async def stored(session: AsyncSession, fingerprint: str) -> ModelResponse | None:
    """The answer under the fingerprint."""
    return await session.get(ModelResponse, fingerprint)


async def reusable(
    session: AsyncSession, fingerprint: str, run_id: UUID, *, since: datetime | None
) -> ModelResponse | None:
    """The answer that the run may use instead of a call: its own whatever its age, that of another run if it is not
    older than `since`, where there is a `since`."""
    usable = col(ModelResponse.run_id) == run_id
    if since is not None:
        usable = usable | (col(ModelResponse.created_at) >= since)
    query = select(ModelResponse).where(col(ModelResponse.fingerprint) == fingerprint, usable)
    return (await session.exec(query)).one_or_none()


@dataclass(frozen=True)
class Usage:
    """What an attempt used. `cost` is in US dollars, None where the price is unknown."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    latency_ms: int


async def keep(session: AsyncSession, response: ModelResponse) -> None:
    """Store an answer; a newer one for the same question replaces it."""
    values = response.model_dump()
    statement = insert(ModelResponse).values(values)
    replaced = {name: statement.excluded[name] for name in values if name != "fingerprint"}
    await session.execute(
        statement.on_conflict_do_update(index_elements=[col(ModelResponse.fingerprint)], set_=replaced)
    )


async def count_attempt(
    session: AsyncSession,
    call_id: UUID,
    run_id: UUID,
    batch_no: int,
    *,
    model: str,
    outcome: str,
    detail: str | None,
    usage: Usage,
) -> None:
    """Record an attempt once (by `call_id`), and add what it used to the batch and the run.

    A cost that is unknown makes the sums unknown: null, never 0.
    """
    call = ModelCall(
        id=call_id,
        run_id=run_id,
        batch_no=batch_no,
        outcome=outcome,
        detail=detail,
        requests=usage.requests,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost,
        latency_ms=usage.latency_ms,
    )
    fresh = await session.execute(
        insert(ModelCall).values(call.model_dump()).on_conflict_do_nothing().returning(col(ModelCall.id))
    )
    if fresh.scalar_one_or_none() is None:
        return
    values = {
        "run": run_id,
        "batch_no": batch_no,
        "model": model,
        "detail": detail,
        "requests": usage.requests,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cost": usage.cost,
        "latency": usage.latency_ms,
    }
    await session.execute(_add_to_batch, values)
    await session.execute(_add_to_run, values)


_add_to_batch = text(
    """
    UPDATE analysis_batches SET
        model = :model,
        error = :detail,
        latency_ms = CAST(:latency AS integer),
        cost_usd = CASE WHEN llm_requests = 0 THEN CAST(:cost AS numeric)
                        ELSE cost_usd + CAST(:cost AS numeric) END,
        llm_requests = llm_requests + CAST(:requests AS integer),
        input_tokens = input_tokens + CAST(:input AS integer),
        output_tokens = output_tokens + CAST(:output AS integer)
    WHERE run_id = :run AND batch_no = :batch_no
    """
)
_add_to_run = text(
    """
    UPDATE analysis_runs SET
        cost_estimate = cost_estimate + CAST(:cost AS numeric),
        llm_requests = llm_requests + CAST(:requests AS integer),
        input_tokens = input_tokens + CAST(:input AS integer),
        output_tokens = output_tokens + CAST(:output AS integer),
        llm_tokens_used = llm_tokens_used + CAST(:input AS integer) + CAST(:output AS integer),
        version = version + 1
    WHERE id = :run
    """
)


async def count_cache_hit(session: AsyncSession, run_id: UUID, batch_no: int, model: str) -> None:
    """A batch that got its answer without a call of this run."""
    hit = await session.execute(
        text(
            "UPDATE analysis_batches SET cached = true, model = :model, cost_usd = 0"
            " WHERE run_id = :run AND batch_no = :batch_no AND llm_requests = 0 AND NOT cached RETURNING 1"
        ),
        {"run": run_id, "batch_no": batch_no, "model": model},
    )
    if hit.scalar_one_or_none():
        await session.execute(
            text("UPDATE analysis_runs SET cache_hits = cache_hits + 1, version = version + 1 WHERE id = :run"),
            {"run": run_id},
        )


async def open_attempt(session: AsyncSession, run_id: UUID, batch_no: int, fingerprint: str | None) -> int:
    """Show that the batch is under way, unless the run ended meanwhile; returns the attempt's number, from 1."""
    # The row of the run comes first, as everywhere: who holds it may want its batches next.
    locked = select(AnalysisRun.status).where(col(AnalysisRun.id) == run_id).with_for_update(read=True, key_share=True)
    at_work = (await session.exec(locked)).one() in ("running", "paused")
    number = await session.scalar(
        text(
            "UPDATE analysis_batches SET status = CASE WHEN CAST(:at_work AS boolean) THEN 'running' ELSE status END,"
            " attempts = attempts + 1, fingerprint = :fingerprint, started_at = coalesce(started_at, now())"
            " WHERE run_id = :run AND batch_no = :batch_no AND status IN ('waiting', 'running') RETURNING attempts"
        ),
        {"run": run_id, "batch_no": batch_no, "fingerprint": fingerprint, "at_work": at_work},
    )
    return int(number or 0)


async def health(
    session: AsyncSession, run_id: UUID, batch_no: int, kinds: Sequence[str], since: datetime
) -> RunHealth:
    """What the run's calls say of its provider: failures of these kinds after its last success and `since`."""
    answered = await session.scalar(
        select(func.max(ModelCall.at)).where(col(ModelCall.run_id) == run_id, col(ModelCall.outcome) == "answered")
    )
    floor = max(since, answered) if answered else since
    count, first = (
        await session.exec(
            select(func.count(), func.min(ModelCall.at)).where(
                col(ModelCall.run_id) == run_id, col(ModelCall.outcome).in_(kinds), col(ModelCall.at) > floor
            )
        )
    ).one()
    return RunHealth(answered, count, first, await _batch_failures(session, run_id, batch_no, since))


async def last_failure(session: AsyncSession, run_id: UUID) -> str | None:
    """What the attempt that failed last had to say."""
    query = (
        select(ModelCall.detail)
        .where(col(ModelCall.run_id) == run_id, col(ModelCall.detail).is_not(None))
        .order_by(col(ModelCall.at).desc())
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()


async def _batch_failures(session: AsyncSession, run_id: UUID, batch_no: int, since: datetime) -> list[datetime]:
    """When attempts at this batch failed, oldest first, since the run's start or resume."""
    query = (
        select(ModelCall.at)
        .where(
            col(ModelCall.run_id) == run_id,
            col(ModelCall.batch_no) == batch_no,
            col(ModelCall.outcome) != "answered",
            col(ModelCall.at) > since,
        )
        .order_by(col(ModelCall.at))
    )
    return list((await session.exec(query)).all())
