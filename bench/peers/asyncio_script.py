"""The ceiling: a script without any engine, which forgets everything when it dies."""

import asyncio
from uuid import UUID

import uvloop

from bench.peers.job import CONCURRENCY, Job
from bench.peers.orders import obey

job = Job(keyed=False)
under_way: set[asyncio.Task[None]] = set()


async def analyse(run_id: UUID) -> None:
    places = asyncio.Semaphore(CONCURRENCY)

    async def settle(batch_no: int) -> None:
        async with places:
            await job.settle(run_id, batch_no)

    batches = await job.cut(run_id)
    await asyncio.gather(*(settle(batch_no) for batch_no in range(1, batches + 1)))
    await job.finish(run_id)


async def start(run_id: UUID) -> None:
    under_way.add(asyncio.create_task(analyse(run_id)))


async def main() -> None:
    async with job:
        await obey(start)


if __name__ == "__main__":
    uvloop.run(main())
