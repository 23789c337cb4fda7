"""DBOS with one step for each batch, gathered in one workflow.

The limit stands inside of the step: a workflow must start its steps in the same order every time. A step comes at least
once, so saving is keyed.
"""

import asyncio
from uuid import UUID

import uvloop
from dbos import DBOS, DBOSConfig, SetWorkflowID

from bench.peers.job import CONCURRENCY, DATABASE_URL, Job
from bench.peers.orders import obey

config: DBOSConfig = {"name": "gather", "system_database_url": DATABASE_URL}
job = Job(keyed=True)
places = asyncio.Semaphore(CONCURRENCY)


@DBOS.step()
async def cut(run_id: UUID) -> int:
    return await job.cut(run_id)


@DBOS.step()
async def settle(run_id: UUID, batch_no: int) -> None:
    async with places:
        await job.settle(run_id, batch_no)


@DBOS.step()
async def finish(run_id: UUID) -> None:
    await job.finish(run_id)


@DBOS.workflow()
async def analyse(run_id: UUID) -> None:
    batches = await cut(run_id)
    await asyncio.gather(*(settle(run_id, batch_no) for batch_no in range(1, batches + 1)))
    await finish(run_id)


async def start(run_id: UUID) -> None:
    with SetWorkflowID(str(run_id)):
        await DBOS.start_workflow_async(analyse, run_id)


async def main() -> None:
    DBOS(config=config)
    async with job:
        DBOS.launch()
        await obey(start)
        DBOS.destroy()


if __name__ == "__main__":
    uvloop.run(main())
