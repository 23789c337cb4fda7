"""Plan the batches of a run."""

from collections.abc import AsyncIterator, Iterable, Iterator

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.attempts import Heart, beating, step
from activities.resources import Resources
from analysis.batches import PlannedBatch, Planner
from db import batches, plans, runs
from logs import logger
from models.base import now
from models.run import AnalysisRun
from workflows import contract

ROWS_AT_ONCE = 500

_log = logger("gleaner.worker")


class BatchingActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database

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
                while not await self._store_plan(run, heart):
                    pass
            return await self._finish(ref)

    async def _store_plan(self, run: AnalysisRun, heart: Heart) -> bool:
        """Store what isn't stored yet; False where another attempt, that the server took for dead, did some of it."""
        async with self._database.transaction() as session:
            stored = (await runs.get(session, run.id)).batches_created
            async for part in _planned(session, run):
                async with runs.locked(self._database, run.id) as held:
                    if held.run.batched_at is not None:
                        return True
                    if held.run.batches_created != stored:
                        return False
                    await plans.add(held, part)
                stored += len(part)
                heart.at(stored)
        return True

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


async def _planned(session: AsyncSession, run: AnalysisRun) -> AsyncIterator[list[PlannedBatch]]:
    """The batches that aren't stored yet, some hundreds at a time."""
    planner = Planner(max_batch_size=int(run.options["max_batch_size"]))
    planned: list[PlannedBatch] = []
    async for stretch in plans.kept_stretches(session, run.id, int(run.options["time_gap_seconds"])):
        planned += planner.plan(stretch)
        while len(planned) >= ROWS_AT_ONCE:
            yield planned[:ROWS_AT_ONCE]
            del planned[:ROWS_AT_ONCE]
    planned += planner.finish()
    if planned:
        yield planned


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
