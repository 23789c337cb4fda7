"""`python -m bench.window`: what it takes to fetch, prefilter and batch a window, over reading the same rows.

The yardstick is `COPY` of the window's rows from the same server to nowhere, before and after each run.
"""

import asyncio
import os
import statistics
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from sqlalchemy import text

from bench.alone import run_alone
from bench.cpu import cpu_seconds
from bench.meters import child_of_ours
from bench.rows import Row
from bench.stage import stage
from db import messages
from db.engine import Database
from devstack.servers import Servers
from models.run import AnalysisRun
from tests.replay.scene import Scene, scene
from tests.support.model_script import Rule
from tests.support.waiting import until
from tests.support.worker_process import WorkerProcess, worker_process
from tests.support.working import START

COPIES = 6.0
PACE = 100_000
LINEAR = 1.25
MEMORY = 1.2
SIZES = (100_000, 1_000_000)
QUICK_SIZES = (10_000, 50_000)
RUNS, QUICK_RUNS = 5, 1
COPIED = 2
"""How often before a pass, and after it: `/proc` counts the processor's time in hundredths of a second."""
CHANNELS = 20
WINDOW = timedelta(days=30)
PATIENCE_SECONDS = 1800.0

# One message in ten is small talk and one in four answers in a thread; the texts have the length of chat.
_FILL = text(
    """
    INSERT INTO messages (source_id, channel, external_id, author, sent_at, content, thread_id)
    SELECT :source, 'c' || n % :channels, 'f' || n, 'author ' || n % 50,
           CAST(:start AS timestamptz) + n * (CAST(:window AS interval) / :count),
           CASE WHEN n % 10 = 3 THEN 'thanks'
                ELSE 'please have a look at part ' || n || repeat(' of the order that came in', n % 5) END,
           CASE WHEN n % 4 = 1 THEN 'f' || n - n % (:channels * 8) + n % :channels END
    FROM generate_series(0, CAST(:count AS integer) - 1) AS n
    """
)


@dataclass(frozen=True)
class Pass:
    """One run over a window: seconds of each step and of `COPY` beside it, of the clock and of the processor, and the
    worker's peak memory."""

    fetching: float
    prefiltering: float
    batching: float
    total: float
    copy: float
    cpu: float
    cpu_copy: float
    batches: int
    peak_megabytes: float


@dataclass(frozen=True)
class Window:
    """A window of so many messages, measured several times."""

    messages: int
    passes: list[Pass]

    @property
    def seconds(self) -> float:
        return statistics.median(one.total for one in self.passes)

    @property
    def copies(self) -> float:
        return statistics.median(one.total / one.copy for one in self.passes)

    @property
    def cpu_copies(self) -> float:
        return statistics.median(one.cpu / one.cpu_copy for one in self.passes)

    @property
    def pace(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def peak_megabytes(self) -> float:
        return statistics.median(one.peak_megabytes for one in self.passes)

    def figures(self) -> dict[str, object]:
        passes = [{name: round(value, 3) for name, value in vars(one).items()} for one in self.passes]
        return {"messages": self.messages, "over_copy": round(self.copies, 2), "passes": passes}


async def measure(*, quick: bool = False) -> Row:
    async with stage() as servers:
        sizes, runs = (QUICK_SIZES, QUICK_RUNS) if quick else (SIZES, RUNS)
        small, large = [await _window(servers, size, runs) for size in sizes]
    growth = small.pace / large.pace
    memory = large.peak_megabytes / small.peak_megabytes
    copies, pace = max(small.copies, large.copies), min(small.pace, large.pace)
    return Row(
        number=5,
        what=f"fetch, prefilter and batch {small.messages:,} and {large.messages:,} messages",
        measured=(
            f"{small.copies:.1f} and {large.copies:.1f} × COPY; {pace:,.0f} messages/s; "
            f"a message of the large one costs {growth:.2f} ×; memory {memory:.2f} ×"
        ),
        goal=f"≤ {COPIES:.0f} × COPY; ≥ {PACE:,} messages/s; linear (≤ {LINEAR} ×); memory ≤ {MEMORY} ×",
        met=copies <= COPIES and pace >= PACE and growth <= LINEAR and memory <= MEMORY,
        figures={"small": small.figures(), "large": large.figures()},
        ratios={"CPU of a window over COPY's": large.cpu_copies},
    )


async def _window(servers: Servers, size: int, runs: int) -> Window:
    """Each pass has a worker of its own, so that its memory is that of one run."""
    async with scene(servers) as played:
        played.model.script(Rule("hang"))
        await _fill(played.operator.database, size)
        assignment = await played.operator.assignment(played.model.base_url)
        passes = []
        for _ in range(runs):
            async with worker_process(played.settings) as worker:
                await _warm(played, assignment)
                passes.append(await _pass(played, worker, assignment))
    return Window(size, passes)


async def _fill(database: Database, count: int) -> None:
    async with database.transaction() as session:
        source = await messages.source_named(session, "bench", "api")
        values = {"source": source, "channels": CHANNELS, "count": count, "start": START, "window": WINDOW}
        await session.execute(_FILL, values)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE messages"))


async def _warm(played: Scene, assignment: UUID) -> None:
    """A run over nothing: what the first run of a process pays is no cost of a message."""
    run_id = await played.operator.started_run(assignment, day=100)
    await played.operator.until(run_id, "completed")
    await _forget(played, run_id)


async def _pass(played: Scene, worker: WorkerProcess, assignment: UUID) -> Pass:
    before, cpu_before = await _copied(played)
    used = _used_by(cpu_seconds(worker.pid))
    run_id = await played.operator.started_run(assignment, max_batch_size=50)

    async def look() -> AnalysisRun:
        await asyncio.sleep(0.2)  # whoever looks all the time takes what is to be measured
        return await played.operator.run(run_id)

    run = await until(look, lambda run: run.batched_at is not None, seconds=PATIENCE_SECONDS)
    cpu = _used_by(cpu_seconds(worker.pid)) - used
    peak = worker.peak_kilobytes() / 1024
    after, cpu_after = await _copied(played)
    await _forget(played, run_id)
    return Pass(
        fetching=_between(run.started_at, run.fetched_at),
        prefiltering=_between(run.fetched_at, run.prefiltered_at),
        batching=_between(run.prefiltered_at, run.batched_at),
        total=_between(run.started_at, run.batched_at),
        copy=(before + after) / 2,
        cpu=cpu,
        cpu_copy=(cpu_before + cpu_after) / 2,
        batches=run.batches_created,
        peak_megabytes=peak,
    )


def _between(begin: datetime | None, end: datetime | None) -> float:
    assert begin is not None
    assert end is not None
    return (end - begin).total_seconds()


def _used_by(own: float) -> float:
    """Seconds of the processor that PostgreSQL has used, and somebody of `own`."""
    return own + cpu_seconds(child_of_ours("postgres", "cluster_name="))


async def _copied(played: Scene) -> tuple[float, float]:
    """The seconds that `COPY` of the window's rows takes, of the clock and of the processor."""

    async def drop(_: bytes) -> None:
        return

    query = "SELECT * FROM messages WHERE sent_at >= $1 AND sent_at < $2"
    connection = await asyncpg.connect(played.operator.database.dsn)
    try:
        used, begin = _used_by(sum(os.times()[:2])), time.monotonic()
        for _ in range(COPIED):
            await connection.copy_from_query(query, START, START + WINDOW, output=drop)
        return (time.monotonic() - begin) / COPIED, (_used_by(sum(os.times()[:2])) - used) / COPIED
    finally:
        await connection.close()


async def _forget(played: Scene, run_id: UUID) -> None:
    """Another run may have the window now."""
    await played.operator.end_workflows()
    async with played.operator.database.transaction() as session:
        await session.execute(text("DELETE FROM analysis_runs WHERE id = :id"), {"id": run_id})


if __name__ == "__main__":
    run_alone("window", measure)
