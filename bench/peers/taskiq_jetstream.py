"""TaskIQ on JetStream, which keeps a task until it is acknowledged: a task for the run, and one for each batch.

A task comes at least once, so saving is keyed.
"""

import os
from uuid import UUID

import uvloop
from taskiq import TaskiqEvents, TaskiqState
from taskiq_nats import PullBasedJetStreamBroker

from bench.peers.job import Job
from bench.peers.orders import obey

broker = PullBasedJetStreamBroker(os.environ["PEER_NATS_URL"], durable="analysis")
job = Job(keyed=True)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_job(state: TaskiqState) -> None:
    await job.__aenter__()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def close_job(state: TaskiqState) -> None:
    await job.__aexit__(None, None, None)


@broker.task(task_name="analyse")
async def analyse(run_id: UUID) -> None:
    for batch_no in range(1, await job.cut(run_id) + 1):
        await analyse_batch.kiq(run_id, batch_no)


@broker.task(task_name="analyse_batch")
async def analyse_batch(run_id: UUID, batch_no: int) -> None:
    if await job.settle(run_id, batch_no):
        await job.finish(run_id)


async def main() -> None:
    """The side of the API, which gives the tasks."""
    await broker.startup()
    await obey(analyse.kiq)
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(main())
