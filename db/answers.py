"""Model answers, stored so that each is paid for once, and the record of every attempt."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.verdicts import RunHealth
from db.statements import On, Statement
from models.base import now
from models.run import ModelCall
from models.values import PausedReason, RunStatus

_STORED = "SELECT raw_answer, model FROM model_responses WHERE fingerprint = :fingerprint"
_REUSABLE = f"{_STORED} AND (run_id = :run OR created_at >= CAST(:since AS timestamptz))"

_stored = Statement(_STORED)
_reusable = Statement(_REUSABLE)


@dataclass(frozen=True)
class Stored:
    """An answer that was paid for."""

    raw_answer: str
    model: str


async def stored(on: On, fingerprint: str) -> Stored | None:
    """The answer under the fingerprint."""
    row = await _stored.row(on, {"fingerprint": fingerprint})
    return None if row is None else Stored(*row)


async def reusable(on: On, fingerprint: str, run_id: UUID, *, since: datetime | None) -> Stored | None:
    """The answer that the run may use instead of a call: its own whatever its age, that of another run if it is not
    older than `since`, where there is a `since`."""
    row = await _reusable.row(on, {"fingerprint": fingerprint, "run": run_id, "since": since})
    return None if row is None else Stored(*row)


@dataclass(frozen=True)
class Usage:
    """What an attempt used. `cost` is in US dollars, None where the price is unknown."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    latency_ms: int


@dataclass(frozen=True)
class Spent:
    """What came of an attempt at a batch, and when. An answer, where there is one, is kept under the fingerprint of its
    question. `holder` is whose place the attempt gives back, where it does."""

    call_id: UUID
    batch_no: int
    model: str
    outcome: str
    detail: str | None
    usage: Usage
    fingerprint: str | None = None
    raw_answer: str | None = None
    holder: UUID | None = None
    at: datetime = field(default_factory=now)

    def stored(self) -> dict[str, object]:
        cost, names = self.usage.cost, ("call_id", "fingerprint", "holder")
        return {
            **{name: getattr(self, name) for name in ("batch_no", "model", "outcome", "detail", "raw_answer")},
            **{name: getattr(self.usage, name) for name in ("requests", "input_tokens", "output_tokens", "latency_ms")},
            **{name: None if (value := getattr(self, name)) is None else str(value) for name in names},
            "cost": None if cost is None else str(cost),
            "at": self.at.isoformat(),
        }


# What is counted on the run's row comes before what is counted on its batches, as everywhere. An attempt that was
# counted before is not `fresh`. Of two at one batch the later one's model and error stay.
_count = Statement(
    """
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(CAST(:spent AS jsonb)) AS given (
            call_id uuid, batch_no integer, model text, outcome text, detail text, requests integer,
            input_tokens integer, output_tokens integer, cost numeric, latency_ms integer,
            fingerprint text, raw_answer text, holder uuid, at timestamptz
        )
    ), fresh AS (
        INSERT INTO model_calls (id, run_id, batch_no, outcome, detail, requests, input_tokens, output_tokens, cost_usd,
                                 latency_ms, at)
        SELECT call_id, :run, batch_no, outcome, detail, requests, input_tokens, output_tokens, cost, latency_ms, at
        FROM given
        ON CONFLICT DO NOTHING RETURNING id
    ), counted AS (
        UPDATE analysis_runs SET
            cost_estimate = cost_estimate + used.cost,
            llm_requests = llm_requests + used.requests,
            input_tokens = analysis_runs.input_tokens + used.input_tokens,
            output_tokens = analysis_runs.output_tokens + used.output_tokens,
            llm_tokens_used = llm_tokens_used + used.input_tokens + used.output_tokens,
            version = version + 1
        FROM (
            SELECT CASE WHEN bool_and(cost IS NOT NULL) THEN sum(cost) END AS cost, sum(requests) AS requests,
                   sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
            FROM given JOIN fresh ON id = call_id HAVING count(*) > 0
        ) AS used
        WHERE id = :run RETURNING id
    ), batched AS (
        UPDATE analysis_batches AS batch SET
            model = used.model,
            error = used.detail,
            latency_ms = used.latency_ms,
            cost_usd = CASE WHEN llm_requests = 0 THEN used.cost ELSE cost_usd + used.cost END,
            llm_requests = llm_requests + used.requests,
            input_tokens = batch.input_tokens + used.input_tokens,
            output_tokens = batch.output_tokens + used.output_tokens
        FROM counted, (
            SELECT batch_no, (array_agg(model ORDER BY call_id DESC))[1] AS model,
                   (array_agg(detail ORDER BY call_id DESC))[1] AS detail,
                   (array_agg(latency_ms ORDER BY call_id DESC))[1] AS latency_ms,
                   CASE WHEN bool_and(cost IS NOT NULL) THEN sum(cost) END AS cost, sum(requests) AS requests,
                   sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
            FROM given JOIN fresh ON id = call_id GROUP BY batch_no
        ) AS used
        WHERE batch.run_id = counted.id AND batch.batch_no = used.batch_no
    ), kept AS (
        INSERT INTO model_responses AS response (fingerprint, run_id, model, raw_answer, input_tokens, output_tokens,
                                                 cost_usd, latency_ms, created_at)
        SELECT DISTINCT ON (fingerprint) fingerprint, :run, model, raw_answer, input_tokens, output_tokens, cost,
               latency_ms, at
        FROM given WHERE raw_answer IS NOT NULL ORDER BY fingerprint, call_id DESC
        ON CONFLICT (fingerprint) DO UPDATE SET
            run_id = excluded.run_id, model = excluded.model, raw_answer = excluded.raw_answer,
            input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
            cost_usd = excluded.cost_usd, latency_ms = excluded.latency_ms, created_at = excluded.created_at
    )
    DELETE FROM provider_leases USING given WHERE provider_leases.holder = given.holder
    """
)


async def count(on: On, run_id: UUID, spent: Sequence[Spent]) -> None:
    """Record attempts of a run, each once (by its `call_id`), add what they used to their batches and the run, and keep
    their answers: a newer one for the same question replaces the older. One statement.

    A cost that is unknown makes the sums unknown: null, never 0.
    """
    await _count.rows(on, {"run": run_id, "spent": json.dumps([one.stored() for one in spent])})


# The row of the run comes first, as everywhere: who holds it may want its batches next.
_count_cache_hit = Statement(
    """
    WITH held AS (
        SELECT id FROM analysis_runs WHERE id = :run FOR NO KEY UPDATE
    ), hit AS (
        UPDATE analysis_batches SET cached = true, model = :model, cost_usd = 0 FROM held
        WHERE run_id = held.id AND batch_no = :batch_no AND llm_requests = 0 AND NOT cached RETURNING run_id
    )
    UPDATE analysis_runs SET cache_hits = cache_hits + 1, version = version + 1 FROM hit WHERE id = hit.run_id
    """
)


async def count_cache_hit(on: On, run_id: UUID, batch_no: int, model: str) -> None:
    """A batch that got its answer without a call of this run."""
    await _count_cache_hit.rows(on, {"run": run_id, "batch_no": batch_no, "model": model})


@dataclass(frozen=True)
class Opened:
    """An attempt that is shown on its batch: its number, from 1, and how the run stands at that moment. For so many
    `closed_seconds` the provider's limiter lets nobody through; `stored` is what `reusable` would give."""

    number: int
    status: RunStatus
    paused_reason: PausedReason | None
    closed_seconds: float
    stored: Stored | None


# FOR SHARE waits for who is just changing the run, and reads what came of it: no batch of a cancelled run begins.
_open_attempt = Statement(
    f"""
    WITH held AS (
        SELECT id, status, paused_reason FROM analysis_runs WHERE id = :run FOR SHARE
    ), opened AS (
        UPDATE analysis_batches AS batch SET
            status = CASE WHEN held.status IN ('running', 'paused') THEN 'running' ELSE batch.status END,
            attempts = attempts + 1, fingerprint = :fingerprint, started_at = coalesce(started_at, now())
        FROM held
        WHERE run_id = held.id AND batch_no = :batch_no AND batch.status IN ('waiting', 'running') RETURNING attempts
    ), known AS (
        {_REUSABLE}
    )
    SELECT coalesce(attempts, 0), held.status, held.paused_reason,
           coalesce((SELECT greatest(extract(epoch FROM closed_until - clock_timestamp()), 0)::float8
                     FROM provider_limits WHERE provider_id = :provider), 0),
           raw_answer, model
    FROM held LEFT JOIN opened ON true LEFT JOIN known ON true
    """  # noqa: S608 - the part put in is a constant of the code
)


async def open_attempt(
    on: On,
    run_id: UUID,
    batch_no: int,
    fingerprint: str,
    *,
    provider_id: UUID | None = None,
    since: datetime | None = None,
) -> Opened:
    """Show that the batch is under way, unless the run ended meanwhile."""
    values = {"run": run_id, "batch_no": batch_no, "fingerprint": fingerprint, "provider": provider_id, "since": since}
    row = await _open_attempt.row(on, values)
    assert row is not None  # the batch's foreign key
    number, status, paused_reason, closed_seconds, raw_answer, model = row
    known = None if raw_answer is None else Stored(raw_answer, model)
    return Opened(number, status, paused_reason, closed_seconds, known)


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
