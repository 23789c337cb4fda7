"""`python -m bench.many_runs`: twenty runs that one worker works on at the same time."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from uuid import UUID

from bench.alone import run_alone
from bench.meters import cpu_of_parts
from bench.rows import Row
from bench.stage import stage
from tests.replay.scene import Scene, scene
from tests.support.waiting import until
from tests.support.worker_process import worker_process

NEAREST = 3.0
IDEAL = 1.2
MESSAGES_A_BATCH = 10
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Size:
    runs: int = 20
    batches: int = 20
    latency: float = 1.0
    concurrency: int = 8
    rounds: int = 5


FULL = Size()
QUICK = Size(runs=4, batches=4, rounds=1)


@dataclass(frozen=True)
class Times:
    """Of one run, in seconds since the first of all was started."""

    started: float
    first_proposal: float
    completed: float

    @property
    def waited(self) -> float:
        """From the start to the first proposal."""
        return self.first_proposal - self.started


@dataclass(frozen=True)
class Round:
    """What each run took, and all of them together of the processor, in ms a batch."""

    times: list[Times]
    cpu_ms: Mapping[str, float]


async def measure(*, quick: bool = False) -> Row:
    size = QUICK if quick else FULL
    rounds = []
    for _ in range(size.rounds):
        async with stage() as servers, scene(servers) as played:
            rounds.append(await _play(played, size))
    slots = min(size.runs * size.concurrency, played.settings.worker_model_slots)
    ideal = math.ceil(size.runs * size.batches / slots) * size.latency
    spread = median(_spread(one.times) for one in rounds)
    over = median(max(run.completed for run in one.times) / ideal for one in rounds)
    return Row(
        number=4,
        what=f"{size.runs} runs of {size.batches} batches at once",
        measured=f"first proposals within {spread:.1f} × of the fastest run's; {over:.2f} × the ideal of {ideal:.1f} s",
        goal=f"≤ {NEAREST:.0f} ×; ≤ {IDEAL} × the ideal",
        met=spread <= NEAREST and over <= IDEAL,
        figures={
            "ideal": "batches × latency / (the runs' concurrency together, at most the worker's model slots)",
            "ideal_seconds": ideal,
            "concurrency_of_a_run": size.concurrency,
            "rounds": [
                {
                    "first_proposal_seconds": sorted(round(run.waited, 3) for run in one.times),
                    "completed_seconds": sorted(round(run.completed, 3) for run in one.times),
                    "cpu_ms_a_batch": one.cpu_ms,
                }
                for one in rounds
            ],
        },
        ratios={"wall time over the ideal": over, "the last first proposals over the first": spread},
    )


def _spread(times: list[Times]) -> float:
    """How long the last run waited for its first proposal over the first."""
    waits = [one.waited for one in times]
    return max(waits) / min(waits)


async def _play(played: Scene, size: Size) -> Round:
    operator = played.operator
    played.model.script(latency=size.latency)
    # A run with one batch wakes everything up: connections, compiled queries, the worker's cache.
    for day in range(size.runs + 1):
        await operator.messages(MESSAGES_A_BATCH * (size.batches if day else 1), day=40 * day)
    async with worker_process(played.settings.model_copy(update={"embeddings": "local"})) as worker:  # as delivered
        assignment = await operator.assignment(played.model.base_url)
        await operator.until(await operator.started_run(assignment), "completed")
        made = [
            await operator.pending_run(assignment, day=40 * day, concurrency=size.concurrency)
            for day in range(1, size.runs + 1)
        ]
        before = cpu_of_parts(worker.pid)
        await asyncio.gather(*(operator.commands.start(run_id) for run_id in made))
        for run_id in made:
            await _completed(played, run_id)
        after = cpu_of_parts(worker.pid)
    batches = size.runs * size.batches
    a_batch = {part: round(1000 * (after[part] - before[part]) / batches, 1) for part in before}
    return Round(await _times(played, made), a_batch)


async def _completed(played: Scene, run_id: UUID) -> None:
    async def look() -> str:
        await asyncio.sleep(0.2)  # whoever looks all the time takes what is to be measured
        return (await played.operator.run(run_id)).status

    status = await until(look, lambda status: status in ("completed", "failed", "paused"), seconds=PATIENCE_SECONDS)
    assert status == "completed"


async def _times(played: Scene, run_ids: list[UUID]) -> list[Times]:
    runs = [await played.operator.run(run_id) for run_id in run_ids]
    begin = min(run.start_requested_at for run in runs if run.start_requested_at is not None)
    found = []
    for run in runs:
        first = next(one.at for one in await played.operator.events(run.id) if one.event == "proposals_created")
        found.append(Times(*(_since(begin, moment) for moment in (run.start_requested_at, first, run.completed_at))))
    return found


def _since(begin: datetime, moment: datetime | None) -> float:
    assert moment is not None
    return (moment - begin).total_seconds()


if __name__ == "__main__":
    run_alone("many_runs", measure)
