"""Plan the batches of a run."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.attempts import Heart, beating, step
from activities.resources import Resources
from analysis.batches import PlannedBatch, Planner, Stretch
from db import batches, plans, runs
from logs import logger
from models.base import now
from models.run import AnalysisRun
from workflows import contract

ROWS_AT_ONCE = 500
HALVED_FROM = 50_000
"""Messages from which on two processes of the database sort a half of them each."""
CONNECTIONS = 3
"""What a plan may hold at once: one for each half, and one to store its batches."""

_log = logger("gleaner.worker")


class BatchingActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database
        # Plans that each had one connection and waited for another would wait for each other.
        self._plans = asyncio.Semaphore(resources.settings.database_pool_size // CONNECTIONS)

    @activity.defn(name="create_batches")
    @step
    async def create_batches(self, ref: contract.RunRef) -> contract.Batches:
        """Plan and store the batches, part by part, from where an earlier attempt stopped; returns those that nobody
        settled."""
        async with beating() as heart:
            async with self._database.transaction() as session:
                run = await runs.get(session, ref.run_id)
            if run.batched_at is None:
                _log.info("Creating batches", run_id=str(run.id))
                async with self._plans:
                    while not await self._store_plan(run, heart):
                        pass
            return await self._finish(ref)

    async def _store_plan(self, run: AnalysisRun, heart: Heart) -> bool:
        """Store what isn't stored yet; False where another attempt, that the server took for dead, did some of it."""
        async with self._database.transaction() as session:
            stored = (await runs.get(session, run.id)).batches_created
            async with self._stretches(session, run) as stretches:
                async for part in _planned(stretches, int(run.options["max_batch_size"])):
                    async with runs.locked(self._database, run.id) as held:
                        if held.run.batched_at is not None:
                            return True
                        if held.run.batches_created != stored:
                            return False
                        await plans.add(held, part)
                    stored += len(part)
                    heart.at(stored)
        return True

    @asynccontextmanager
    async def _stretches(self, session: AsyncSession, run: AnalysisRun) -> AsyncIterator[AsyncIterator[Stretch]]:
        """What isn't in a batch yet, in the order of the plan."""
        gap = int(run.options["time_gap_seconds"])
        middle = await plans.middle(session, run.id) if run.messages_after_prefilter >= HALVED_FROM else None
        if middle is None:
            yield plans.kept_stretches(session, run.id, gap)
            return
        async with (
            self._database.transaction() as beside,
            _ahead(plans.kept_stretches(beside, run.id, gap, after=middle)) as rest,
        ):
            yield _one_after_the_other(plans.kept_stretches(session, run.id, gap, last=middle), rest)

    async def _finish(self, ref: contract.RunRef) -> contract.Batches:
        async with runs.locked(self._database, ref.run_id) as held:
            run = held.run
            if run.batched_at is None:
                run.batched_at = now()
                held.work_goes_on("extracting")
                await held.record("batches_created", {"run_id": str(run.id), "total_batches": run.batches_created})
                _log.info(f"Created {run.batches_created} batches", run_id=str(run.id))
            waiting = await batches.unsettled(held.session, run.id)
            return contract.Batches(total=run.batches_created, unsettled=list(_ranges(waiting)))

    @activity.defn(name="split_batch")
    @step
    async def split_batch(self, ref: contract.BatchRef) -> contract.BatchSplit:
        """Put two batches in the place of one that the model can't take whole; the same two when asked again."""
        async with runs.locked(self._database, ref.run_id) as held:
            splitting = await batches.lock_unsettled(held, ref.batch_no)
            if splitting is None:
                into = await batches.parts(held.session, ref.run_id, ref.batch_no)
            else:
                into = await batches.split(held, splitting)
                _log.info("Split a batch", run_id=str(ref.run_id), batch_no=ref.batch_no, into=into)
            return contract.BatchSplit(into=into, total=held.run.batches_created)


async def _planned(stretches: AsyncIterator[Stretch], size: int) -> AsyncIterator[list[PlannedBatch]]:
    """The batches of up to `size` messages that they make, some hundreds at a time."""
    planner = Planner(max_batch_size=size)
    planned: list[PlannedBatch] = []
    async for stretch in stretches:
        planned += planner.plan(stretch)
        while len(planned) >= ROWS_AT_ONCE:
            yield planned[:ROWS_AT_ONCE]
            del planned[:ROWS_AT_ONCE]
    planned += planner.finish()
    if planned:
        yield planned


@asynccontextmanager
async def _ahead(stretches: AsyncIterator[Stretch]) -> AsyncIterator[AsyncIterator[Stretch]]:
    """The same, the first of which is on its way from now on, and with it all the sorting."""
    first = asyncio.ensure_future(anext(stretches, None))

    async def every() -> AsyncIterator[Stretch]:
        begin = await first
        if begin is not None:
            yield begin
            async for stretch in stretches:
                yield stretch

    try:
        yield every()
    except BaseException:
        first.cancel()
        raise
    finally:
        await asyncio.gather(first, return_exceptions=True)


async def _one_after_the_other(*parts: AsyncIterator[Stretch]) -> AsyncIterator[Stretch]:
    for part in parts:
        async for stretch in part:
            yield stretch


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers as inclusive ranges: ten thousand waiting batches are one pair in the history."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last
