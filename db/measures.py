"""Figures for monitoring, each from one cheap query."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from db import heartbeats, statistics, sweeping
from models.values import FindingKind, words


@dataclass(frozen=True)
class Measures:
    """`*_seen_at` is None where no worker serves that queue; money is in US dollars, of priced calls only."""

    runs: dict[str, int]
    batches: dict[str, int]
    proposals_pending: int
    calls: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost: Decimal
    queue_seen_at: dict[str, datetime]
    findings: dict[str, int]


async def read(session: AsyncSession) -> Measures:
    # Batches of runs that are at work; those of old runs say nothing about the service.
    batches = await session.execute(
        text(
            "SELECT batch.status, count(*) FROM analysis_batches AS batch JOIN analysis_runs AS run"
            " ON run.id = batch.run_id WHERE run.status IN ('running', 'paused')"
            " AND batch.status IN ('waiting', 'running', 'failed') GROUP BY 1"
        )
    )
    calls = await session.execute(text("SELECT outcome, count(*) FROM model_calls GROUP BY 1"))
    used = await session.execute(
        text(
            "SELECT coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cost_estimate), 0)"
            " FROM analysis_runs"
        )
    )
    input_tokens, output_tokens, cost = used.one()
    findings = await sweeping.counts(session)
    return Measures(
        runs=await statistics.runs_by_status(session),
        batches={"waiting": 0, "running": 0, "failed": 0} | dict(batches.tuples().all()),
        proposals_pending=await statistics.proposals_pending(session),
        calls=dict(calls.tuples().all()),
        input_tokens=int(input_tokens),
        output_tokens=int(output_tokens),
        cost=Decimal(cost),
        queue_seen_at=await heartbeats.queues_seen(session),
        findings={kind: findings.get(kind, 0) for kind in words(FindingKind)},
    )
