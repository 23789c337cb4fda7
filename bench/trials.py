"""One contender under one load."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from bench.contender import Contender, Serving
from bench.cpu import cpu_seconds
from bench.ground import START, WARM_UP, Field, Ground, field, server_cpu
from bench.loads import Load, Trial, Window
from tests.support.waiting import until

PATIENCE_SECONDS = 600.0
WARM_UP_BATCHES = 40
_LOOK_EVERY_SECONDS = 0.05


async def play(ground: Ground, contender: Contender, load: Load) -> Trial:
    """A fresh database, a worker that is ready and warm, then the load."""
    async with field(ground) as on, contender.serving(on, load.concurrency) as serving:
        await warm_up(on, serving, load)
        run_id = await serving.make(Window(START, load.batches), load.concurrency)
        await ground.model.begin(latency=load.latency)
        await on.forget_statements()
        before, began = _cpu(serving), time.time()
        await serving.start(run_id)
        seconds = await _completed(serving, run_id) - began
        after, statements = _cpu(serving), await on.statements()
        calls = await ground.model.stats()
        await _check(serving, run_id, load)
        return Trial(
            load,
            seconds,
            await serving.asking_seconds(run_id),
            {part: after[part] - before[part] for part in after},
            statements,
            calls.calls,
            calls.max_in_flight,
        )


async def warm_up(on: Field, serving: Serving, load: Load) -> None:
    """A run smaller than the load opens connections, compiles queries and loads what is loaded late."""
    await on.ground.model.begin(latency=0)
    run_id = await serving.make(Window(WARM_UP, min(WARM_UP_BATCHES, load.batches)), load.concurrency)
    await serving.start(run_id)
    await _completed(serving, run_id)


async def _completed(serving: Serving, run_id: UUID) -> float:
    """When it was completed, by the clock of the database, which is the machine's."""

    async def look() -> datetime | None:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)  # whoever looks all the time takes what is to be measured
        return (await serving.progress(run_id)).completed_at

    moment = await until(look, seconds=PATIENCE_SECONDS)
    assert moment is not None
    return moment.timestamp()


async def _check(serving: Serving, run_id: UUID, load: Load) -> None:
    """A contender that doesn't do the work isn't measured."""
    assert (await serving.progress(run_id)).settled == load.batches
    assert await serving.proposals(run_id) == (load.batches, load.batches)


def _cpu(serving: Serving) -> Mapping[str, float]:
    own = {part: cpu_seconds(pid) for part, pid in serving.processes().items()}
    return own | server_cpu()
