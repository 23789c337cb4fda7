"""`python -m bench.batch_cost`: what a batch costs when the model takes no time, and how many go through in a second.

Real servers, a worker process of its own that measures meanings, and the stand-in of a model in another process. A run
of `--batches` one-batch questions, 40 at a time, after a small one that warms the worker up. Statements are those that
PostgreSQL counted (`pg_stat_statements`), BEGIN and COMMIT among them; what is counted and timed is the whole run, its
beginning and its end too. Writes `bench/results/batch_cost.json`.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from statistics import mean, median
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from bench.meters import (
    Observer,
    Statements,
    count_statements_from_the_next_start,
    cpu_of_parts,
    resident_megabytes,
)
from bench.rows import Row
from bench.yardstick import yardstick
from db.engine import Database
from db.migrate import upgrade
from devstack.ports import Ports
from devstack.probe import fetch
from devstack.servers import Servers, servers
from settings import Settings
from tests.support.builders import fill_messages
from tests.support.databases import settings_for
from tests.support.service import ROOT, gleaner
from tests.support.waiting import until
from tests.support.worker_process import environment_of, worker_process
from tests.support.working import START, Operator

BATCHES = 400
QUICK_BATCHES = 100
ROUNDS = 5
CONCURRENCY = 40
WARMING_BATCHES = 60
BATCH_MESSAGES = 10
SETTLE_SECONDS = 3.0
"""How long a process is left alone before its memory is read, and PostgreSQL before its counters are."""
RESULT = Path(__file__).parent / "results" / "batch_cost.json"

_STARTS = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
)
_ATTEMPT = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED


@dataclass(frozen=True)
class Cost:
    """Per batch: statements, transactions, actions, history. CPU is in ms of a batch, memory in MB."""

    batches: int
    per_second: float
    statements: float
    transactions: float
    worker_ms: float
    temporal_ms: float
    postgres_ms: float
    actions: float
    events: float
    history_bytes: float
    idle_worker_mb: float
    idle_api_mb: float
    worker_mb: float
    """The worker's after the run."""
    yardstick_ms: float
    """What the fixed piece of work took right before the run and right after it."""


@dataclass(frozen=True)
class _Usage:
    """What everybody has used by now."""

    sql: Statements
    worker: float
    temporal: float
    postgres: float


@dataclass(frozen=True)
class _Bench:
    """The processes, and who looks at them."""

    operator: Operator
    observer: Observer
    worker_pid: int

    async def usage(self) -> _Usage:
        await asyncio.sleep(SETTLE_SECONDS)
        return _Usage(await self.observer.statements(), **cpu_of_parts(self.worker_pid))

    async def run(self, assignment: UUID, day: int, batches: int) -> UUID:
        """A run to its end; it is closed to what it found, so that the next one has as little to remember."""
        await fill_messages(
            self.operator.database, BATCH_MESSAGES * batches, source=f"day {day}", start=START + timedelta(days=day)
        )
        run_id = await self.operator.started_run(
            assignment, day=day, concurrency=CONCURRENCY, max_batch_size=BATCH_MESSAGES
        )

        async def status() -> str:
            return str((await self.observer.look("SELECT status FROM analysis_runs WHERE id = $1", run_id))[0])

        assert await until(status, lambda now: now in ("completed", "failed", "paused")) == "completed"
        return run_id

    async def seconds(self, run_id: UUID) -> float:
        """From the order to start until it is completed."""
        row = await self.observer.look(
            "SELECT extract(epoch FROM completed_at - start_requested_at)::float8 FROM analysis_runs WHERE id = $1",
            run_id,
        )
        return float(row[0])


@asynccontextmanager
async def _stand_in() -> AsyncIterator[str]:
    """The address of the model's stand-in."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.model_server"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().split()[1] + "/v1"
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _counting_servers(folder: Path) -> AsyncIterator[Servers]:
    async with servers(folder, fsync=True) as first:
        await count_statements_from_the_next_start(first.dsn)
    async with servers(folder, fsync=True) as running:
        await upgrade(running.dsn)
        yield running


async def _idle_api(settings: Settings) -> float:
    """Megabytes of an API process that serves nobody."""
    port = Ports().free()
    process = await gleaner(
        "serve", environment=environment_of(settings) | {"GLEANER_AUTH": "off", "GLEANER_API_PORT": str(port)}
    )
    try:
        await until(lambda: asyncio.to_thread(fetch, port, "/api/v1/health/live"))
        await asyncio.sleep(SETTLE_SECONDS)
        return resident_megabytes(process.pid)
    finally:
        process.kill()
        await process.wait()


async def measure(batches: int = BATCHES, *, show: int = 0) -> Cost:
    """A run of so many batches on servers of its own. So many of the statements that were sent most often are shown."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gleaner-bench-"))
        running = await stack.enter_async_context(_counting_servers(Path(folder)))
        settings = settings_for(running, running.dsn).model_copy(update={"embeddings": "local"})
        observer = await Observer.at(running.dsn)
        stack.push_async_callback(observer.close)
        database = await stack.enter_async_context(Database(running.dsn))
        model = await stack.enter_async_context(_stand_in())
        idle_api = await _idle_api(settings)
        worker = await stack.enter_async_context(worker_process(settings))
        await until(lambda: observer.look("SELECT count(*) FROM worker_heartbeats"), lambda row: row[0] > 0)
        await asyncio.sleep(SETTLE_SECONDS)
        idle_worker = resident_megabytes(worker.pid)
        bench = _Bench(Operator(database, settings), observer, worker.pid)
        assignment = await bench.operator.assignment(model)
        await bench.run(assignment, 0, WARMING_BATCHES)
        before = await bench.usage()
        yardsticks = [await asyncio.to_thread(yardstick)]
        run_id = await bench.run(assignment, 40, batches)
        yardsticks.append(await asyncio.to_thread(yardstick))
        after = await bench.usage()
        for calls, query in await observer.top(show):
            sys.stdout.write(f"{calls:6} {query[:150]}\n")
        executions = await bench.operator.executions(run_id)
        seconds = await bench.seconds(run_id)
        await bench.operator.check_books(run_id)
        await bench.operator.end_workflows()

        def each(used: float) -> float:
            return round(used / batches, 2)

        return Cost(
            batches=batches,
            per_second=round(batches / seconds, 1),
            statements=each(after.sql.statements - before.sql.statements),
            transactions=each(after.sql.transactions - before.sql.transactions),
            worker_ms=each(1000 * (after.worker - before.worker)),
            temporal_ms=each(1000 * (after.temporal - before.temporal)),
            postgres_ms=each(1000 * (after.postgres - before.postgres)),
            actions=each(sum(map(_actions, executions))),
            events=each(sum(len(one.events) for one in executions)),
            history_bytes=each(sum(map(_bytes, executions))),
            idle_worker_mb=idle_worker,
            idle_api_mb=idle_api,
            worker_mb=resident_megabytes(worker.pid),
            yardstick_ms=round(1000 * mean(yardsticks), 1),
        )


def _actions(history: WorkflowHistory) -> int:
    """What Temporal Cloud would bill: the start of the workflow, and every attempt of an activity."""
    starts = sum(event.event_type in _STARTS for event in history.events)
    return starts + sum(
        event.activity_task_started_event_attributes.attempt - 1
        for event in history.events
        if event.event_type == _ATTEMPT
    )


def _bytes(history: WorkflowHistory) -> int:
    return sum(event.ByteSize() for event in history.events)


async def rows(*, quick: bool = False, batches: int = BATCHES, show: int = 0) -> list[Row]:
    """The lines of the table that this measures."""
    rounds = [await measure(QUICK_BATCHES if quick else batches, show=show) for _ in range(1 if quick else ROUNDS)]
    each = [asdict(one) for one in rounds]
    cost = Cost(**{name: median(one[name] for one in each) for name in each[0]})
    figures = asdict(cost) | {"rounds": each}
    cpu = cost.worker_ms + cost.temporal_ms
    return [
        Row(
            3,
            "Throughput with a model that takes no time",
            f"{cost.per_second:g} batches/s",
            ">= 100 batches/s",
            cost.per_second >= 100,
            figures,
        ),
        Row(
            7,
            "Cost of a batch",
            f"{cost.actions:g} actions; {cost.history_bytes:g} B of history; {cost.statements:g} statements;"
            f" {cpu:.1f} CPU-s of worker and Temporal server per 1,000",
            "<= 1.2 actions; <= 600 B; <= 12 statements; <= 8 CPU-s",
            cost.actions <= 1.2 and cost.history_bytes <= 600 and cost.statements <= 12 and cpu <= 8,
            figures,
            {
                "a batch's CPU over the yardstick's": (cpu + cost.postgres_ms) / cost.yardstick_ms,
                "statements of a batch": cost.statements,
                "actions of a batch": cost.actions,
                "bytes of a batch's history": cost.history_bytes,
            },
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--show", type=int, default=0, help="list so many of the statements sent most often")
    options = parser.parse_args()
    found = asyncio.run(rows(batches=options.batches, show=options.show))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")
    for row in found:
        sys.stdout.write(f"{row.number}  {row.what}: {row.measured} (goal {row.goal})\n")
    for name, figure in found[0].figures.items():
        if name == "rounds":
            continue
        sys.stdout.write(f"   {name:15} {figure}\n")
    sys.stdout.flush()
    os._exit(0)  # threads of the Temporal client may still call into an interpreter that is taken down, and abort it


if __name__ == "__main__":
    main()
