"""Gleaner as its user runs it: a worker process and the API, by which runs are made and started."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import httpx
from temporalio.service import RPCError

from bench.contender import Progress
from bench.ground import Field
from bench.loads import MESSAGES_A_BATCH, Window
from db.engine import Database
from devstack.ports import HOST, Ports
from settings import Settings
from tests.support.databases import settings_for
from tests.support.service import ROOT
from tests.support.waiting import until
from tests.support.worker_process import WorkerProcess, environment_of, worker_process
from tests.support.working import Operator


@dataclass(frozen=True)
class Gleaner:
    name: str = "Gleaner"
    one_by_one: bool = False
    after_a_kill: str = "nothing"

    @asynccontextmanager
    async def serving(self, on: Field, concurrency: int) -> AsyncIterator["ServingGleaner"]:
        settings = settings_for(on.ground.stack, on.dsn).model_copy(update={"embeddings": "local"})
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(Database(on.dsn))
            api = await stack.enter_async_context(_api_process(settings))
            operator = Operator(database, settings)
            assignment = await operator.assignment(on.ground.model.base_url)
            serving = ServingGleaner(on, settings, api, operator, assignment)
            stack.push_async_callback(serving.stop)
            await serving.restart()
            yield serving


@dataclass(frozen=True)
class Api:
    """A running `gleaner serve`."""

    process: asyncio.subprocess.Process
    http: httpx.AsyncClient


@dataclass
class ServingGleaner:
    _field: Field
    _settings: Settings
    _api: Api
    _operator: Operator
    _assignment: UUID
    _made: list[UUID] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _worker: WorkerProcess | None = None

    async def make(self, window: Window, concurrency: int) -> UUID:
        reply = await self._api.http.post(
            "/analysis/runs",
            json={
                "time_window_start": window.start.isoformat(),
                "time_window_end": window.end.isoformat(),
                "agent_assignment_id": str(self._assignment),
                "options": {"max_batch_size": MESSAGES_A_BATCH, "concurrency": concurrency},
            },
        )
        self._made.append(UUID(reply.raise_for_status().json()["id"]))
        return self._made[-1]

    async def start(self, run_id: UUID) -> None:
        reply = await self._api.http.post(f"/analysis/runs/{run_id}/start")
        reply.raise_for_status()

    async def progress(self, run_id: UUID) -> Progress:
        row = await self._field.look("SELECT batches_completed, completed_at FROM analysis_runs WHERE id = $1", run_id)
        return Progress(row["batches_completed"], row["completed_at"])

    async def asking_seconds(self, run_id: UUID) -> float:
        row = await self._field.look(
            "SELECT max(settled_at) - min(started_at) AS taken FROM analysis_batches WHERE run_id = $1", run_id
        )
        return float(row["taken"].total_seconds())

    async def proposals(self, run_id: UUID) -> tuple[int, int]:
        row = await self._field.look(
            "SELECT count(*) AS rows, count(DISTINCT (batch_no, ordinal)) AS different"
            " FROM task_proposals WHERE run_id = $1",
            run_id,
        )
        return row["rows"], row["different"]

    def processes(self) -> Mapping[str, int]:
        assert self._worker is not None
        return {"worker": self._worker.pid, "api": self._api.process.pid}

    async def kill(self) -> None:
        assert self._worker is not None
        await self._worker.kill()

    async def restart(self) -> None:
        self._worker = await self._stack.enter_async_context(worker_process(self._settings))

    async def stop(self) -> None:
        """No workflow is left to the next trial's worker, which has another database."""
        await self._stack.aclose()
        for run_id in self._made:
            with suppress(RPCError):  # one that has ended by itself
                await (await self._operator.workflow(run_id)).terminate()


@asynccontextmanager
async def _api_process(settings: Settings) -> AsyncIterator[Api]:
    port = Ports().free()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "serve"),
        cwd=ROOT,
        env={**os.environ, **environment_of(settings), "GLEANER_AUTH": "off", "GLEANER_API_PORT": str(port)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}/api/v1", timeout=30, trust_env=False) as http:
            await until(lambda: _lives(http))
            yield Api(process, http)
    finally:
        process.kill()
        await process.wait()


async def _lives(http: httpx.AsyncClient) -> bool:
    try:
        reply = await http.get("/health/live")
    except httpx.TransportError:
        return False
    return reply.is_success
