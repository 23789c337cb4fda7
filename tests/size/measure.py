"""`make size`: large windows and long runs on the real servers, at full size.

Prints what it measures and writes it to `bench/results/size.json`; AssertionError where something doesn't hold.
`--messages` and `--batches` choose smaller sizes.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import text

from db.migrate import upgrade
from devstack.servers import Servers, servers
from logs import configure
from models.base import now
from models.run import AnalysisRun
from settings import Settings
from tests.replay.scene import Scene, scene
from tests.support.builders import fill_messages
from tests.support.model_script import Rule
from tests.support.service import ROOT
from tests.support.waiting import until
from tests.support.worker_process import WorkerProcess, worker_process
from tests.support.working import START

Seen = TypeVar("Seen")

PATIENCE_SECONDS = 3600.0
CONCURRENCY = 50
HISTORY_EVENTS = 50_000
"""Where Temporal itself ends a workflow."""


@dataclass(frozen=True)
class Window:
    """What a window of so many messages took, a worker killed so often in it. The peak is the largest worker's."""

    messages: int
    batches: int
    killed: int
    seconds: float
    peak_megabytes: float


@dataclass(frozen=True)
class LongRun:
    """What a run of so many batches took. Events and bytes are those of its largest execution's history."""

    batches: int
    executions: int
    events: int
    kilobytes: int
    calls: int
    seconds: float
    peak_megabytes: float


class _Worker:
    """A worker process that is replaced when it is killed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._process: WorkerProcess | None = None
        self._peak = 0
        self.killed = 0

    @property
    def peak_megabytes(self) -> float:
        assert self._process is not None
        return round(max(self._peak, self._process.peak_kilobytes()) / 1024, 1)

    async def start(self) -> None:
        self._process = await self._stack.enter_async_context(worker_process(self._settings))

    async def replace(self) -> None:
        """Kill -9, and another one in its place."""
        assert self._process is not None
        self._peak = max(self._peak, self._process.peak_kilobytes())
        await self._stack.aclose()
        self.killed += 1
        await self.start()

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def _working(settings: Settings) -> AsyncIterator[_Worker]:
    worker = _Worker(settings)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.close()


async def window(stack: Servers, messages: int, *, kill: bool) -> Window:
    """Fetch, filter and batch a window; with `kill`, a worker is killed in the middle of each of the three steps."""
    async with scene(stack) as played:
        await fill_messages(played.operator.database, messages, channels=20, start=START)
        played.model.script(Rule("hang"))
        async with _working(played.settings) as worker:
            began = time.monotonic()
            assignment = await played.operator.assignment(played.model.base_url)
            run_id = await played.operator.started_run(assignment, max_batch_size=200)
            if kill:
                for under_way in (_fetching, _prefiltering, _batching):
                    await _wait(partial(under_way, played, run_id, messages))
                    await worker.replace()
            run = await _wait(lambda: played.operator.run(run_id), lambda run: run.batched_at is not None)
            measured = Window(
                messages, run.batches_created, worker.killed, time.monotonic() - began, worker.peak_megabytes
            )
            await _check_window(played, run, messages)
    return measured


async def long_run(stack: Servers, batches: int) -> LongRun:
    """A run of so many batches to its end, every model call at once answered."""
    async with scene(stack) as played:
        played.model.script()
        await fill_messages(played.operator.database, 10 * batches, start=START)
        async with _working(played.settings) as worker:
            began = time.monotonic()
            assignment = await played.operator.assignment(played.model.base_url)
            run_id = await played.operator.started_run(assignment, concurrency=CONCURRENCY)
            run = await _wait(
                lambda: played.operator.run(run_id), lambda run: run.status in ("completed", "failed", "paused")
            )
            seconds, peak = time.monotonic() - began, worker.peak_megabytes
            assert (run.status, run.batches_completed, run.batches_failed) == ("completed", batches, 0)
            await played.operator.check_books(run_id)
            histories = await played.operator.executions(run_id)
            calls = played.model.stats().calls
    measured = LongRun(
        batches,
        len(histories),
        max(len(history.events) for history in histories),
        max(len(history.to_json()) for history in histories) // 1024,
        calls,
        seconds,
        peak,
    )
    assert calls == batches
    assert measured.events < HISTORY_EVENTS
    return measured


async def _wait(look: Callable[[], Awaitable[Seen]], accept: Callable[[Seen], bool] = bool) -> Seen:
    return await until(look, accept, seconds=PATIENCE_SECONDS)


async def _count(played: Scene, query: str, run_id: UUID) -> int:
    async with played.operator.database.transaction() as session:
        return int((await session.execute(text(query), {"run": run_id})).scalar_one() or 0)


async def _fetching(played: Scene, run_id: UUID, messages: int) -> bool:
    query = "SELECT sum(cardinality(message_ids)) FROM run_message_chunks WHERE run_id = :run"
    return await _count(played, query, run_id) >= messages // 3


async def _prefiltering(played: Scene, run_id: UUID, messages: int) -> bool:
    query = "SELECT sum(cardinality(kept_ids)) FROM run_message_chunks WHERE run_id = :run"
    return await _count(played, query, run_id) >= messages // 3


async def _batching(played: Scene, run_id: UUID, messages: int) -> bool:
    query = "SELECT sum(message_count) FROM analysis_batches WHERE run_id = :run"
    return await _count(played, query, run_id) >= messages // 3


async def _check_window(played: Scene, run: AnalysisRun, messages: int) -> None:
    """Every message in one batch, and in no second one."""
    query = """
        SELECT count(DISTINCT id) FROM analysis_batches, unnest(message_ids) AS id WHERE run_id = :run
    """
    total = "SELECT sum(message_count) FROM analysis_batches WHERE run_id = :run"
    assert run.total_messages_in_window == run.messages_after_prefilter == messages
    assert await _count(played, query, run.id) == await _count(played, total, run.id) == messages


async def _measure(messages: int, batches: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        async with servers(Path(folder) / "stack") as stack:
            await upgrade(stack.dsn)
            windows = []
            for size, kill in ((messages // 10, False), (messages, False), (messages, True)):
                windows.append(await window(stack, size, kill=kill))
                _say(windows[-1])
            run = await long_run(stack, batches)
            _say(run)
    small, large = windows[0].peak_megabytes, windows[1].peak_megabytes
    _say(f"ten times the messages: {large / small:.2f} times the memory")
    return {"at": now().isoformat(), "windows": [asdict(one) for one in windows], "run": asdict(run)}


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=10_000)
    options = parser.parse_args()
    configure(Settings(log_level="ERROR"))
    report = asyncio.run(_measure(options.messages, options.batches))
    folder = ROOT / "bench" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "size.json").write_text(json.dumps(report, indent=2))
    sys.stdout.flush()
    os._exit(0)  # threads of the Temporal client may still call into an interpreter that is taken down, and abort it


if __name__ == "__main__":
    main()
