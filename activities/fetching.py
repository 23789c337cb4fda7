"""Pin the messages of a run's window."""

from temporalio import activity

from activities.attempts import Heart, beating, step
from activities.resources import Resources
from db import runs, windows
from logs import logger
from models.base import now
from workflows import contract

_log = logger("gleaner.worker")


class FetchingActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database

    @activity.defn(name="fetch_messages")
    @step
    async def fetch_messages(self, ref: contract.RunRef) -> int:
        """Store the window's message ids chunk by chunk, from where an earlier attempt stopped; returns how many."""
        async with beating() as heart:
            async with self._database.transaction() as session:
                run = await runs.get(session, ref.run_id)
            if run.fetched_at is None:
                _log.info("Fetching messages", run_id=str(run.id))
                await self._pin_window(ref, heart)
            return await self._finish(ref)

    async def _pin_window(self, ref: contract.RunRef, heart: Heart) -> None:
        while True:
            # The lock makes an attempt that the server took for dead and the one after it pin in turn.
            async with runs.locked(self._database, ref.run_id) as held:
                chunk = None if held.run.fetched_at else await windows.pin_chunk(held.session, held.run)
            if chunk is None:
                return
            heart.at(chunk.number)
            if chunk.size < windows.CHUNK:
                return

    async def _finish(self, ref: contract.RunRef) -> int:
        async with runs.locked(self._database, ref.run_id) as held:
            run = held.run
            if run.fetched_at is not None:
                return run.total_messages_in_window
            run.total_messages_in_window = await windows.pinned(held.session, run.id)
            run.fetched_at = now()
            held.work_goes_on("prefiltering")
            await held.record("messages_fetched", {"run_id": str(run.id), "total": run.total_messages_in_window})
        _log.info(f"Found {run.total_messages_in_window} messages in window", run_id=str(run.id))
        return run.total_messages_in_window
