"""A worker in the test's own process, and runs that it works on."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from uuid import UUID

from api.run_commands import RunCommands
from api.temporal_gateway import TemporalGateway
from db import runs
from db.engine import Database
from models.run import AnalysisRun, RunEvent
from models.values import RunStatus
from settings import Settings
from temporal_client import connect
from tests.support.waiting import until
from worker import run_worker
from workflows.contract import workflow_id


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker while the block runs; it must end by itself when told to stop."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_worker(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, settings.worker_shutdown_seconds + 10)


class Operator:
    """What a person does to runs, over the same commands as the API, and what they then see."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.commands = RunCommands(database, TemporalGateway(settings))

    async def run(self, run_id: UUID) -> AnalysisRun:
        async with self.database.transaction() as session:
            return await runs.get(session, run_id)

    async def until(self, run_id: UUID, *wanted: RunStatus) -> AnalysisRun:
        return await until(lambda: self.run(run_id), lambda run: run.status in wanted)

    async def events(self, run_id: UUID) -> list[RunEvent]:
        from db.outbox import events_after

        async with self.database.transaction() as session:
            return await events_after(session, run_id, 0, 100_000)

    async def history(self, run_id: UUID) -> str:
        """Everything that Temporal keeps of the run's latest execution, as JSON."""
        client = await connect(self.settings)
        return (await client.get_workflow_handle(workflow_id(run_id)).fetch_history()).to_json()


async def end_workflows(settings: Settings, run_ids: Collection[UUID]) -> None:
    """Leave no open workflow to the next test's worker, which has another database."""
    client = await connect(settings)
    for run_id in run_ids:
        handle = client.get_workflow_handle(workflow_id(run_id))
        if (await handle.describe()).close_time is None:
            await handle.terminate()
