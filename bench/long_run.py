"""`python -m bench.long_run`: whether ten thousand batches in one run cost more each than a thousand.

The model answers at once, so that a batch takes what Gleaner and its servers take.
"""

import asyncio
import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.alone import run_alone
from bench.rows import Row
from bench.side_by_side import spread
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
ROUNDS = 5
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
    batches, rounds = (QUICK_BATCHES, 1) if quick else (BATCHES, ROUNDS)
    runs = []
    async with stage() as servers:
        for _ in range(rounds):
            async with scene(servers) as played:
                runs.append(await _run(played, batches))
    events, size = max(run.events for run in runs), max(run.bytes for run in runs)
    slower = [run.slower for run in runs]
    over = statistics.median(slower)
    return Row(
        number=6,
        what=f"one run of {batches:,} batches",
        measured=(
            f"largest history {events:,} events, {size / 1024**2:.1f} MB; "
            f"the last tenth took {spread(slower, 2)} × the first"
        ),
        goal=f"under {HISTORY_EVENTS:,} events and {HISTORY_BYTES // 1024**2} MB; ≤ {SLOWER} ×",
        met=events < HISTORY_EVENTS and size < HISTORY_BYTES and over <= SLOWER,
        figures={"runs": [vars(run) for run in runs], "concurrency": CONCURRENCY},
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
