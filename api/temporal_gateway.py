"""What the API asks of Temporal, each within a bound, each failure as 503 `temporal_unavailable`."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import TemporalError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from errors import Unavailable
from models.run import AnalysisRun
from settings import Settings
from temporal_client import connect, open_run
from workflows import contract

Result = TypeVar("Result")

CALL_SECONDS = 3.0
QUERY_SECONDS = 1.0


class TemporalGateway:
    """A client that connects at its first use and survives the server's absence."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def check(self) -> None:
        """Return if the server answers; 503 if not."""
        client = await self._connected()
        await _bounded(client.service_client.check_health(), CALL_SECONDS)

    async def start(self, run: AnalysisRun) -> None:
        """Open the run's workflow. One that is open already is the same wish: the row decides who may start."""
        try:
            await _bounded(self._start(run, WorkflowIDConflictPolicy.FAIL, None, []), CALL_SECONDS)
        except WorkflowAlreadyStartedError:
            return

    async def signal(self, run: AnalysisRun, name: str, *arguments: object) -> None:
        """Signal the run's workflow, opening an execution where none is (after a failure, or a terminate)."""
        await _bounded(self._start(run, WorkflowIDConflictPolicy.USE_EXISTING, name, list(arguments)), CALL_SECONDS)

    async def cancel(self, run_id: UUID) -> None:
        """Ask the run's workflow to cancel itself; none open is fine."""
        await _bounded(_cancel(await self._handle(run_id)), CALL_SECONDS)

    async def try_provider(self, wish: contract.ProviderTrial, seconds: float) -> None:
        """Have a worker try the provider, and wait for it so long; a trial under way is joined."""
        client = await self._connected()
        trial = client.start_workflow(
            contract.TRIAL_TYPE,
            wish,
            id=contract.trial_id(wish.provider_id),
            task_queue=contract.QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary="Trial of a provider",
        )
        handle = await _bounded(trial, CALL_SECONDS)
        with suppress(TimeoutError, WorkflowFailureError, RPCError):
            await asyncio.wait_for(handle.result(), seconds)

    async def progress(self, run_id: UUID) -> contract.ProgressReport | None:
        """What the run's workflow knows; None where it doesn't answer within a second."""
        try:
            handle = await self._handle(run_id)
            query = handle.query("progress", result_type=contract.ProgressReport)
            report: contract.ProgressReport = await asyncio.wait_for(query, QUERY_SECONDS)
        except (TemporalError, RuntimeError, TimeoutError, Unavailable):
            return None
        return report

    async def _start(
        self, run: AnalysisRun, conflict: WorkflowIDConflictPolicy, signal: str | None, arguments: list[object]
    ) -> None:
        await open_run(await self._connected(), run, conflict, signal=signal, arguments=arguments)

    async def _handle(self, run_id: UUID) -> "WorkflowHandle[object, object]":
        client = await self._connected()
        handle: WorkflowHandle[object, object] = client.get_workflow_handle(contract.workflow_id(run_id))
        return handle

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await connect(self._settings, lazy=True)
        return self._client


async def _bounded(call: Awaitable[Result], seconds: float) -> Result:
    try:
        return await asyncio.wait_for(call, seconds)
    except (RPCError, RuntimeError, TimeoutError, OSError) as error:
        raise _unavailable() from error


async def _cancel(handle: "WorkflowHandle[object, object]") -> None:
    try:
        await handle.cancel()
    except RPCError as error:
        # A namespace that isn't there is told by the same status, and is an outage.
        if error.status is not RPCStatusCode.NOT_FOUND or "namespace" in error.message.lower():
            raise


def _unavailable() -> Unavailable:
    return Unavailable("temporal_unavailable", "The Temporal server does not answer; nothing was changed. Try again.")
