"""Gleaner as its user runs it: a worker process and the API, by which runs are made and started."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from temporalio.service import RPCError

from bench.contender import Progress
from bench.ground import Field
from bench.loads import MESSAGES_A_BATCH, Window
from db.engine import Database
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.databases import settings_for
from tests.support.worker_process import WorkerProcess, worker_process
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
            api = await stack.enter_async_context(serve_api(settings))
            operator = Operator(database, settings)
            assignment = await operator.assignment(on.ground.model.base_url)
            serving = ServingGleaner(on, settings, api, operator, assignment)
            stack.push_async_callback(serving.stop)
            await serving.restart()
            yield serving


@dataclass
class ServingGleaner:
    _field: Field
    _settings: Settings
    _api: ServedApi
    _operator: Operator
    _assignment: UUID
    _made: list[UUID] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _worker: WorkerProcess | None = None

    async def make(self, window: Window, concurrency: int) -> UUID:
        run = await self._api.post(
            "/analysis/runs",
            {
                "time_window_start": window.start.isoformat(),
                "time_window_end": window.end.isoformat(),
                "agent_assignment_id": str(self._assignment),
                "options": {"max_batch_size": MESSAGES_A_BATCH, "concurrency": concurrency},
            },
            status=201,
        )
        self._made.append(UUID(run["id"]))
        return self._made[-1]

    async def start(self, run_id: UUID) -> None:
        await self._api.post(f"/analysis/runs/{run_id}/start")

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

    def workers(self) -> Collection[int]:
        assert self._worker is not None
        return [self._worker.pid]

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
