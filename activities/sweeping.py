"""Comparing rows and workflows."""

from datetime import timedelta
from uuid import UUID

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.attempts import beating, step
from activities.resources import Resources
from db import sweeping, vectors
from db.sweeping import Finding
from llm.embeddings import embed
from logs import logger
from models.base import now
from models.run import AnalysisRun
from temporal_client import open_run
from workflows import contract

_COUNTED_FOR = timedelta(days=7)
_TITLES_A_PART = 200
_PARTS = 10
_log = logger("gleaner.worker")


class SweepingActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database
        self._settings = resources.settings

    @activity.defn(name="sweep")
    @step
    async def sweep(self, sweep: contract.SweepInput) -> contract.SweepReport:
        """Mend what is safe, keep the rest as findings. What changed a moment ago is left for the next sweep."""
        async with beating():
            client = activity.client()
            open_ids = await _open_workflows(client)
            findings = [
                *await self._without_workflow(client, open_ids, sweep.grace_seconds),
                *await self._without_need(client, open_ids, sweep.grace_seconds),
                *await self._not_closed(client, sweep.grace_seconds),
                *await self._miscounted(),
            ]
            if self._settings.embeddings == "local":
                await self._fill_vectors()
            async with self._database.transaction() as session:
                await sweeping.forget_leases(session)
                await sweeping.record(session, findings, now())
        for finding in findings:
            _log.warning(
                "The sweep found a disagreement",
                kind=finding.kind,
                subject=finding.subject,
                repaired=finding.repaired,
            )
        repaired = sum(finding.repaired for finding in findings)
        return contract.SweepReport(found=len(findings), repaired=repaired)

    async def _without_workflow(self, client: Client, open_ids: set[str], grace: float) -> list[Finding]:
        """Runs at work, or in review, that nobody attends: their workflow is opened again and goes on from the row."""
        async with self._database.transaction() as session:
            candidates = await sweeping.attended(session, sweeping.quiet_since(grace))
        found = []
        for run in candidates:
            workflow_id = contract.workflow_id(run.id)
            # The list is a moment old, so the workflow itself is asked as well.
            if workflow_id in open_ids or await _is_open(client, workflow_id):
                continue
            if await self._opened_again(client, run):
                detail = f"The run is {run.status} and had no open workflow; it was opened again."
                found.append(Finding("no_workflow", workflow_id, run.id, detail, repaired=True))
        return found

    async def _opened_again(self, client: Client, run: AnalysisRun) -> bool:
        async with self._database.transaction() as session:
            if not await sweeping.untouched(session, run):
                return False
            await open_run(client, run, WorkflowIDConflictPolicy.USE_EXISTING)
        return True

    async def _without_need(self, client: Client, open_ids: set[str], grace: float) -> list[Finding]:
        """Open workflows of runs that are over, or that this database doesn't know."""
        ids = {run_id: workflow_id for workflow_id in open_ids if (run_id := _run_id(workflow_id)) is not None}
        async with self._database.transaction() as session:
            rows = await sweeping.present(session, list(ids))
        found = []
        for run_id, workflow_id in ids.items():
            run = rows.get(run_id)
            if run is None:
                detail = "A workflow is open for a run that this database doesn't have; nothing was touched."
                found.append(Finding("unknown_run", workflow_id, None, detail))
            elif (
                run.status in sweeping.OVER
                and run.last_event_at < sweeping.quiet_since(grace)
                and await _is_open(client, workflow_id)
            ):
                found.append(await self._ended(client, run, workflow_id))
        return found

    async def _ended(self, client: Client, run: AnalysisRun, workflow_id: str) -> Finding:
        """Tell the workflow to look at its row, which ends it; one that was told before is terminated."""
        handle = client.get_workflow_handle(workflow_id)
        async with self._database.transaction() as session:
            told = await sweeping.seen_before(session, "needless_workflow", workflow_id)
        detail = f"The run is {run.status} and its workflow was open; "
        if told:
            await handle.terminate(reason=f"The run is {run.status}.")
            return Finding("needless_workflow", workflow_id, run.id, f"{detail}it was terminated.", repaired=True)
        await handle.signal("review_changed")
        return Finding("needless_workflow", workflow_id, run.id, f"{detail}it was told to look at its row.")

    async def _not_closed(self, client: Client, grace: float) -> list[Finding]:
        """Runs that wait to close by themselves though it is time: their workflow may not know of the last decision."""
        async with self._database.transaction() as session:
            run_ids = await sweeping.not_closed(session, sweeping.quiet_since(grace))
        found = []
        for run_id in run_ids:
            workflow_id = contract.workflow_id(run_id)
            if await _is_open(client, workflow_id):
                await client.get_workflow_handle(workflow_id).signal("review_changed")
                detail = "The run should have closed by itself; its workflow was told to look at its row."
                found.append(Finding("not_closed", workflow_id, run_id, detail, repaired=True))
        return found

    async def _fill_vectors(self) -> None:
        """Measure the titles that were changed or are older than the vectors, a part of them in each sweep."""
        for _ in range(_PARTS):
            async with self._database.transaction() as session:
                titled = await vectors.lacking(session, _TITLES_A_PART)
            measured = await embed([one.title for one in titled])
            async with self._database.transaction() as session:
                await vectors.fill(session, titled, measured)
            if len(titled) < _TITLES_A_PART:
                break

    async def _miscounted(self) -> list[Finding]:
        async with self._database.transaction() as session:
            run_ids = await sweeping.miscounted(session, now() - _COUNTED_FOR)
        detail = "The run's counters don't say what its rows say."
        return [Finding("counters_disagree", str(run_id), run_id, detail) for run_id in run_ids]


async def _open_workflows(client: Client) -> set[str]:
    query = f"WorkflowType = '{contract.WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
    return {execution.id async for execution in client.list_workflows(query)}


async def _is_open(client: Client, workflow_id: str) -> bool:
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return description.status is WorkflowExecutionStatus.RUNNING


def _run_id(workflow_id: str) -> UUID | None:
    try:
        return UUID(workflow_id.removeprefix("analysis-run-"))
    except ValueError:
        return None
