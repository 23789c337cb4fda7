"""Analyses under fire: faults at random moments of a seed, and what must hold after them.

`python -m tests.chaos.campaign --faults 50 --seed 1` (or `make chaos N=50 SEED=1`) prints a line for each fault and a
table at the end, and writes JSON to `bench/results/`.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from db.engine import Database, is_outage
from models.base import now
from models.run import AnalysisRun, ModelResponse
from settings import Settings
from tests.chaos.faults import CONNECTION_FAULTS, PROCESS_FAULTS, Fault, Target
from tests.chaos.invariants import check_run
from tests.chaos.listener import Listener
from tests.chaos.second_worker import SECRET, SecondWorker
from tests.guide.stand_in import stand_in_assignment
from tests.support.model_server import ModelServer
from tests.support.service import ROOT, Service, serving
from tests.support.waiting import until
from tests.support.working import Operator

SIZES = (60, 40)
"""Batches of the runs, in turn: one whose batches come to a worker in groups, and one with an activity for each."""
CONCURRENCY = 6
LATENCY_SECONDS = 0.4
END_SECONDS = 180.0


@dataclass
class Struck:
    """One fault: when it struck (seconds since the begin), how long until all parts answered, what it may have cost."""

    fault: str
    at: float
    recovery: float
    in_flight: int
    batches: str


@dataclass
class Campaign:
    """What was done and what it came to."""

    seed: int
    struck: list[Struck] = field(default_factory=list)
    runs: int = 0
    batches: int = 0
    calls: int = 0
    paid_twice: int = 0
    reconnects: int = 0


class Fire:
    """A stack with a second worker, the model's stand-in, and runs under fire."""

    def __init__(
        self, service: Service, model: ModelServer, second: SecondWorker, operator: Operator, seed: int
    ) -> None:
        self._service = service
        self._model = model
        self._operator = operator
        self._chance = random.Random(seed)
        self._target = Target(service, second, random.Random(seed + 1))
        self._begin = time.monotonic()
        self._assignment = ""
        self.campaign = Campaign(seed)

    async def rage(self, faults: Sequence[Fault], count: int, tell: Callable[[str], None]) -> Campaign:
        """Strike so many times, over as many runs as that takes; AssertionError where something doesn't hold."""
        self._assignment = self._assignment or await stand_in_assignment(self._service, self._model)
        while len(self.campaign.struck) < count:
            await self._one_run(faults, count, tell)
        return self.campaign

    async def _one_run(self, faults: Sequence[Fault], count: int, tell: Callable[[str], None]) -> None:
        self._model.script(latency=LATENCY_SECONDS)
        batches = SIZES[self.campaign.runs % len(SIZES)]
        run_id = await self._started(self.campaign.runs, batches)
        listener = Listener(self._service, run_id)
        lost = 0
        try:
            while len(self.campaign.struck) < count and not await self._done(run_id):
                # Faults come at any moment; this is their spacing, not a wait for something.
                await asyncio.sleep(self._chance.uniform(0.3, 2.5))
                struck = await self._strike(self._chance.choice(faults), run_id)
                lost += struck.in_flight
                tell(f"{struck.at:7.1f} s  {struck.fault:32} back after {struck.recovery:5.1f} s  {struck.batches}")
            await until(lambda: self._done(run_id), seconds=END_SECONDS)
            await check_run(self._operator, UUID(run_id), listener, self._model.stats(), may_be_asked_again=lost)
        finally:
            await listener.stop()
        calls = self._model.stats().calls
        self.campaign.runs += 1
        self.campaign.batches += batches
        self.campaign.calls += calls
        self.campaign.paid_twice += calls - batches
        self.campaign.reconnects += listener.reconnects

    async def _strike(self, fault: Fault, run_id: str) -> Struck:
        at = time.monotonic()
        before = await until(lambda: self._run(run_id))
        settled = 0 if before is None else before.batches_completed
        stored = await until(lambda: self._stored(run_id), lambda number: number is not None)
        await fault.strike(self._target)
        # Questions asked until now whose answers weren't stored before: more than those in the worker's hands, never
        # fewer.
        in_flight = len(self._model.stats().asked) - (stored or 0) if fault.worker else 0
        await self._target.ready()
        # Recovered is what works again.
        run = await until(
            lambda: self._run(run_id),
            lambda run: run is not None and (run.status == "completed" or run.batches_completed > settled),
            seconds=END_SECONDS,
        )
        assert run is not None
        batches = f"{run.status} {run.batches_completed}/{run.batches_created}"
        struck = Struck(fault.name, at - self._begin, time.monotonic() - at, in_flight, batches)
        self.campaign.struck.append(struck)
        return struck

    async def _run(self, run_id: str) -> AnalysisRun | None:
        """The run; None while the database is away."""
        try:
            return await self._operator.run(UUID(run_id))
        except Exception as error:
            if not is_outage(error):
                raise
            return None

    async def _stored(self, run_id: str) -> int | None:
        """How many answers are safe; None while the database is away."""
        query = select(func.count()).where(col(ModelResponse.run_id) == UUID(run_id))
        try:
            async with self._operator.database.transaction() as session:
                return (await session.exec(query)).one()
        except Exception as error:
            if not is_outage(error):
                raise
            return None

    async def _done(self, run_id: str) -> bool:
        run = await self._run(run_id)
        return run is not None and run.status == "completed"

    async def _started(self, number: int, batches: int) -> str:
        day = f"2024-{1 + number // 28 % 12:02d}-{1 + number % 28:02d}"
        messages = [
            {
                "source": "chaos",
                "channel": "dev",
                "external_id": f"{number}-{at}",
                "author": ("ada", "ben", "eve")[at % 3],
                "sent_at": f"{day}T{at // 60:02d}:{at % 60:02d}:00Z",
                "content": f"please look at part {at} of shipment {number}",
            }
            for at in range(10 * batches)
        ]
        await self._service.post("/messages", {"messages": messages})
        body = {
            "time_window_start": f"{day}T00:00:00Z",
            "time_window_end": f"{day}T23:59:00Z",
            "agent_assignment_id": self._assignment,
            "options": {"max_batch_size": 10, "concurrency": CONCURRENCY},
        }
        run_id: str = (await self._service.post("/analysis/runs", body, status=201))["id"]
        await self._service.post(f"/analysis/runs/{run_id}/start")
        return run_id


@asynccontextmanager
async def fire(folder: Path, seed: int) -> AsyncIterator[Fire]:
    with ModelServer() as model:
        async with serving(folder / "data", "--no-sample", environment={"GLEANER_SECRET_KEY": SECRET}) as service:
            second = SecondWorker(service)
            await second.start()
            database = Database(service.stack["postgres"], pool_size=3)
            settings = Settings.model_validate({"temporal_address": service.stack["temporal"]})
            try:
                yield Fire(service, model, second, Operator(database, settings), seed)
            finally:
                await second.stop()
                await database.close()


async def _campaign(faults: int, seed: int) -> Campaign:
    with tempfile.TemporaryDirectory() as folder:
        async with fire(Path(folder), seed) as burning:
            return await burning.rage((*PROCESS_FAULTS, *CONNECTION_FAULTS), faults, _say)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _report(campaign: Campaign) -> dict[str, Any]:
    by_kind: dict[str, list[float]] = {}
    for struck in campaign.struck:
        by_kind.setdefault(struck.fault, []).append(struck.recovery)
    _say(f"\n{'fault':34} {'times':>5} {'median s':>9} {'worst s':>8}")
    for name, seconds in sorted(by_kind.items()):
        _say(f"{name:34} {len(seconds):5} {statistics.median(seconds):9.1f} {max(seconds):8.1f}")
    _say(
        f"\n{len(campaign.struck)} faults over {campaign.runs} runs: {campaign.calls} calls for"
        f" {campaign.batches} batches ({campaign.paid_twice} asked again), {campaign.reconnects} reconnects,"
        " no violation"
    )
    return {"at": now().isoformat(), **asdict(campaign)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = _report(asyncio.run(_campaign(options.faults, options.seed)))
    folder = ROOT / "bench" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"chaos-{options.seed}.json").write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
