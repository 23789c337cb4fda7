"""`python -m bench.long_run`: whether ten thousand batches in one run cost more each than a thousand.

The model answers at once, so that a batch takes what Gleaner and its servers take.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.alone import run_alone
from bench.rows import Row
from bench.stage import stage
from models.run import AnalysisRun
from tests.replay.scene import Scene, scene
from tests.support.builders import fill_messages
from tests.support.waiting import until
from tests.support.worker_process import worker_process
from tests.support.working import START

SLOWER = 1.1
HISTORY_EVENTS = 10_240
HISTORY_BYTES = 10 * 1024 * 1024
"""Where the server begins to warn of a workflow's history."""
BATCHES = 10_000
QUICK_BATCHES = 500
SHARE = 10
"""The first and the last tenth are compared."""
MESSAGES_A_BATCH = 10
CONCURRENCY = 50
PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class LongRun:
    """`first` and `last` are milliseconds a batch in the first and the last tenth of the run; `tenths` has all ten."""

    batches: int
    executions: int
    events: int
    bytes: int
    seconds: float
    tenths: list[float]
    peak_megabytes: float

    @property
    def slower(self) -> float:
        return self.tenths[-1] / self.tenths[0]


async def measure(*, quick: bool = False) -> Row:
    async with stage() as servers, scene(servers) as played:
        run = await _run(played, QUICK_BATCHES if quick else BATCHES)
    return Row(
        number=6,
        what=f"one run of {run.batches:,} batches",
        measured=(
            f"largest history {run.events:,} events, {run.bytes / 1024**2:.1f} MB; "
            f"the last tenth took {run.slower:.2f} × the first"
        ),
        goal=f"under {HISTORY_EVENTS:,} events and {HISTORY_BYTES // 1024**2} MB; ≤ {SLOWER} ×",
        met=run.events < HISTORY_EVENTS and run.bytes < HISTORY_BYTES and run.slower <= SLOWER,
        figures=vars(run) | {"concurrency": CONCURRENCY, "batches_a_second": round(run.batches / run.seconds, 1)},
    )


async def _run(played: Scene, batches: int) -> LongRun:
    operator = played.operator
    played.model.script()
    played.model.state.record_prompts = False
    await fill_messages(operator.database, MESSAGES_A_BATCH * batches, start=START)
    as_delivered = played.settings.model_copy(update={"embeddings": "local"})
    async with worker_process(as_delivered) as worker:
        assignment = await operator.assignment(played.model.base_url)
        run_id = await operator.started_run(assignment, concurrency=CONCURRENCY)

        async def look() -> AnalysisRun:
            await asyncio.sleep(0.5)  # whoever looks all the time takes what is to be measured
            return await operator.run(run_id)

        run = await until(look, lambda run: run.status not in ("pending", "running"), seconds=PATIENCE_SECONDS)
        peak = worker.peak_kilobytes() / 1024
        assert (run.status, run.batches_completed) == ("completed", batches)
        settled = sorted(one.settled_at for one in await operator.batches(run_id) if one.settled_at is not None)
        histories = await operator.executions(run_id)
    return LongRun(
        batches=batches,
        executions=len(histories),
        events=max(len(history.events) for history in histories),
        bytes=max(sum(event.ByteSize() for event in history.events) for history in histories),
        seconds=(settled[-1] - settled[0]).total_seconds(),
        tenths=_tenths(settled),
        peak_megabytes=round(peak, 1),
    )


def _tenths(settled: list[datetime]) -> list[float]:
    """Milliseconds from one settled batch to the next, in each tenth of the run."""
    size = len(settled) // SHARE
    ends = [settled[at * size + size - 1] - settled[at * size] for at in range(SHARE)]
    return [round(end / timedelta(milliseconds=1) / (size - 1), 2) for end in ends]


if __name__ == "__main__":
    run_alone("long_run", measure)
