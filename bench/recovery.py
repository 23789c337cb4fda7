"""`python -m bench.recovery`: what a worker that is killed in the middle of a run costs, in time and in model calls."""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

from bench.alone import run_alone
from bench.rows import Row
from bench.stage import stage
from tests.replay.scene import Scene, scene
from tests.support.waiting import until
from tests.support.worker_process import worker_process

LOST_SECONDS = 8.0
MESSAGES_A_BATCH = 10
ROUNDS = 5
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Size:
    batches: int = 200
    latency: float = 1.0
    concurrency: int = 40
    rounds: int = ROUNDS


FULL = Size()
QUICK = Size(batches=40, concurrency=10, rounds=1)


@dataclass(frozen=True)
class Played:
    """A run: seconds from its start to its end, and what was asked of the model.

    `in_flight` are the calls of batches that weren't settled at the kill.
    """

    seconds: float
    calls: int
    in_flight: int = 0

    def paid_twice(self, batches: int) -> int:
        return self.calls - batches


async def measure(*, quick: bool = False) -> Row:
    size = QUICK if quick else FULL
    quiet, killed = [], []
    async with stage() as servers:
        for _ in range(size.rounds):
            async with scene(servers) as played:
                quiet.append(await _run(played, size, kill=False))
            async with scene(servers) as played:
                killed.append(await _run(played, size, kill=True))
    lost = statistics.median(one.seconds for one in killed) - statistics.median(one.seconds for one in quiet)
    twice = [one.paid_twice(size.batches) for one in killed]
    most = max(one.in_flight for one in killed)
    within = all(again <= one.in_flight for again, one in zip(twice, killed, strict=True))
    return Row(
        number=12,
        what=f"a worker killed at half of {size.batches} batches, and restarted at once",
        measured=f"{lost:.1f} s lost; {max(twice)} calls paid twice of {most} in flight",
        goal=f"≤ {LOST_SECONDS:.0f} s; at most those in flight; nothing lost or doubled",
        met=lost <= LOST_SECONDS and within,
        figures={
            "undisturbed": [vars(one) for one in quiet],
            "killed": [vars(one) for one in killed],
            "latency": size.latency,
            "concurrency": size.concurrency,
        },
    )


async def _run(played: Scene, size: Size, *, kill: bool) -> Played:
    operator, in_flight = played.operator, 0
    as_delivered = played.settings.model_copy(update={"embeddings": "local"})
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(worker_process(as_delivered))
        assignment = await _warmed(played)
        played.model.script(latency=size.latency)
        await operator.messages(MESSAGES_A_BATCH * size.batches)
        begin = time.monotonic()
        run_id = await operator.started_run(assignment, concurrency=size.concurrency)
        if kill:
            await _settled(played, run_id, size.batches // 2)
            await worker.kill()
            in_flight = played.model.stats().calls - (await operator.run(run_id)).batches_completed
            await stack.enter_async_context(worker_process(as_delivered))
        await _settled(played, run_id, size.batches)
        await operator.until(run_id, "completed")
        seconds = time.monotonic() - begin
    await _check(played, run_id, size.batches)
    return Played(seconds, played.model.stats().calls, in_flight)


async def _warmed(played: Scene) -> UUID:
    """An assignment with which a run of one batch has gone to its end: no worker's first run is measured."""
    assignment = await played.operator.assignment(played.model.base_url)
    await played.operator.messages(MESSAGES_A_BATCH, day=100)
    await played.operator.until(await played.operator.started_run(assignment, day=100), "completed")
    return assignment


async def _settled(played: Scene, run_id: UUID, batches: int) -> None:
    async def look() -> int:
        await asyncio.sleep(0.05)
        return (await played.operator.run(run_id)).batches_completed

    await until(look, lambda settled: settled >= batches, seconds=PATIENCE_SECONDS)


async def _check(played: Scene, run_id: UUID, batches: int) -> None:
    """AssertionError where a batch was lost or saved twice. The stand-in finds one proposal in every ten messages."""
    run = await played.operator.check_books(run_id)
    assert (run.batches_created, run.batches_completed, run.batches_failed) == (batches, batches, 0)
    assert run.proposals_total + run.proposals_suppressed == batches


if __name__ == "__main__":
    run_alone("recovery", measure)
