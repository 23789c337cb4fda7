"""Leave out the messages that can't hold a task."""

import asyncio
from itertools import count

from temporalio import activity

from activities.attempts import Heart, beating, step
from activities.resources import Resources
from analysis.prefilter import rules_for
from db import runs, windows
from logs import logger
from models.base import now
from models.run import AnalysisRun
from workflows import contract

AT_ONCE = 2
"""Chunks under way: the database filters each with one processor."""

_log = logger("gleaner.worker")


class PrefilteringActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database

    @activity.defn(name="prefilter_messages")
    @step
    async def prefilter_messages(self, ref: contract.RunRef) -> int:
        """Filter the pinned chunks that aren't yet; returns how many messages stay."""
        async with beating() as heart:
            async with self._database.transaction() as session:
                run = await runs.get(session, ref.run_id)
                chunks = await windows.unfiltered_chunks(session, run.id)
            if run.prefiltered_at is None:
                _log.info("Pre-filtering messages", run_id=str(run.id))
                await self._filter(run, chunks, heart)
            return await self._finish(ref)

    async def _filter(self, run: AnalysisRun, chunks: list[int], heart: Heart) -> None:
        project = run.config_snapshot.get("project") or {}
        rules = rules_for(run.options.get("prefilter", "rules"), project.get("keywords", []))
        left, done = iter(chunks), count(1)

        async def filter_some() -> None:
            for chunk_no in left:
                async with self._database.transaction() as session:
                    await windows.filter_chunk(session, run.id, chunk_no, rules)
                heart.at(next(done))

        try:
            async with asyncio.TaskGroup() as under_way:
                for _ in range(AT_ONCE):
                    under_way.create_task(filter_some())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _finish(self, ref: contract.RunRef) -> int:
        async with runs.locked(self._database, ref.run_id) as held:
            run = held.run
            if run.prefiltered_at is not None:
                return run.messages_after_prefilter
            run.messages_after_prefilter, run.filtered_by_reason = await windows.filtered(held.session, run.id)
            run.prefiltered_at = now()
            held.work_goes_on("batching")
            await held.record(
                "messages_prefiltered",
                {
                    "run_id": str(run.id),
                    "kept": run.messages_after_prefilter,
                    "filtered_by_reason": run.filtered_by_reason,
                },
            )
        _log.info(f"{run.messages_after_prefilter} messages after pre-filter", run_id=str(run.id))
        return run.messages_after_prefilter
