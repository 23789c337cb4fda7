"""The one way of a command: check the row, send it through Temporal, wait for the row to show it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from api.temporal_gateway import TemporalGateway
from db import lifecycle, runs, transitions
from db.engine import Database
from errors import Unavailable
from models.actor import LOCAL, Actor
from models.run import AnalysisRun
from models.run_views import LimitsPatch
from workflows import contract

WAIT_SECONDS = 5.0
POLL_SECONDS = 0.05

_SIGNALS: dict[transitions.Command, contract.CommandName] = {
    "pause": "pause",
    "resume": "resume",
    "cancel": "cancel",
    "retry": "retry_failed_batches",
    "close": "close",
    "set_limits": "set_limits",
}


class RunCommands:
    """What an actor can tell a run to do. Each refuses with 404, 409 or 503 and then has changed nothing."""

    def __init__(self, database: Database, temporal: TemporalGateway) -> None:
        self._database = database
        self._temporal = temporal

    async def start(self, run_id: UUID, actor: Actor = LOCAL) -> AnalysisRun:
        """Open the workflow under the lock of the row: of two starts one is 409; a failed one leaves it pending."""
        async with runs.locked(self._database, run_id, actor) as held:
            await lifecycle.queue(held, contract.workflow_id(run_id))
            await self._temporal.start(held.run)
            return held.run

    async def pause(self, run_id: UUID, actor: Actor = LOCAL) -> AnalysisRun:
        return await self._by_workflow(run_id, actor, "pause")

    async def resume(self, run_id: UUID, actor: Actor = LOCAL) -> AnalysisRun:
        return await self._by_workflow(run_id, actor, "resume")

    async def cancel(self, run_id: UUID, actor: Actor = LOCAL) -> AnalysisRun:
        """A pending run is cancelled here; one that is queued has its workflow cancelled as well."""

        async def at_once(held: runs.LockedRun) -> bool:
            if held.run.status != "pending":
                return False
            if held.run.stage == "queued":
                await self._temporal.cancel(run_id)
            await lifecycle.cancel(held)
            return True

        return await self._by_workflow(run_id, actor, "cancel", at_once)

    async def retry(self, run_id: UUID, actor: Actor = LOCAL) -> AnalysisRun:
        """Run the failed batches again."""

        async def possible(held: runs.LockedRun) -> bool:
            await lifecycle.check_retry(held)
            return False

        return await self._by_workflow(run_id, actor, "retry", possible)

    async def close(self, run_id: UUID, actor: Actor = LOCAL) -> AnalysisRun:
        """Close the run; 409 `proposals_pending` while decisions are missing."""

        async def at_once(held: runs.LockedRun) -> bool:
            if held.run.status in ("failed", "cancelled"):
                await lifecycle.close(held)
                return True
            await lifecycle.check_close(held)
            return False

        return await self._by_workflow(run_id, actor, "close", at_once)

    async def set_limits(self, run_id: UUID, limits: LimitsPatch, actor: Actor = LOCAL) -> AnalysisRun:
        """Change what is named; 422 `price_unknown` for a budget that could not be kept."""

        async def at_once(held: runs.LockedRun) -> bool:
            if held.run.status in ("pending", "failed"):
                await lifecycle.set_limits(held, limits.budget_usd, limits.concurrency)
                return True
            await lifecycle.check_limits(held, limits.budget_usd)
            return False

        change = contract.LimitsChange(
            budget_usd=None if limits.budget_usd is None else str(limits.budget_usd), concurrency=limits.concurrency
        )
        return await self._by_workflow(run_id, actor, "set_limits", at_once, change)

    async def _by_workflow(
        self,
        run_id: UUID,
        actor: Actor,
        command: transitions.Command,
        at_once: Callable[[runs.LockedRun], Awaitable[bool]] | None = None,
        *arguments: object,
    ) -> AnalysisRun:
        """`at_once` may do the command under the lock where no workflow is open, and then returns true."""
        async with runs.locked(self._database, run_id, actor) as held:
            transitions.check(command, held.run)
            if at_once is not None and await at_once(held):
                return held.run
            held.await_command(command)
        try:
            await self._temporal.signal(held.run, _SIGNALS[command], *arguments)
        except Unavailable:
            await lifecycle.mark_pending(self._database, run_id, None)
            raise
        return await self._shown(run_id)

    async def _shown(self, run_id: UUID) -> AnalysisRun:
        """The run as soon as the command shows on its row, or as it is after five seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT_SECONDS
        while True:
            async with self._database.transaction() as session:
                run = await runs.get(session, run_id)
            if run.pending_command is None or loop.time() >= end:
                return run
            await asyncio.sleep(POLL_SECONDS)
