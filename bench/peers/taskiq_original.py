"""The way of the system that Gleaner replaces: TaskIQ on core NATS, one task for the whole run, batch after batch."""

import os
from uuid import UUID

import uvloop
from taskiq import TaskiqEvents, TaskiqState
from taskiq_nats import NatsBroker

from bench.peers.job import Job
from bench.peers.orders import obey

broker = NatsBroker(os.environ["PEER_NATS_URL"], queue="analysis")
job = Job(keyed=False)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_job(state: TaskiqState) -> None:
    await job.__aenter__()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def close_job(state: TaskiqState) -> None:
    await job.__aexit__(None, None, None)


@broker.task(task_name="analyse")
async def analyse(run_id: UUID) -> None:
    for batch_no in range(1, await job.cut(run_id) + 1):
        await job.settle(run_id, batch_no)
    await job.finish(run_id)


async def main() -> None:
    """The side of the API, which gives the tasks."""
    await broker.startup()
    await obey(analyse.kiq)
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(main())
