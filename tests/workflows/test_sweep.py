"""The sweep finds rows and workflows that disagree, and mends what is safe."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from temporalio.api.common.v1 import WorkflowExecution as ExecutionKey
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from db import decisions, sweeping
from models.actor import LOCAL
from models.base import new_id
from models.service import SweepFinding
from models.values import FindingKind
from settings import Settings
from sweep_schedule import ensure_schedule
from temporal_client import connect
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator
from workflows import contract

pytestmark = pytest.mark.usefixtures("worker")


async def _sweep(settings: Settings, *, grace: float = 0.0) -> contract.SweepReport:
    client = await connect(settings)
    report: contract.SweepReport = await client.execute_workflow(
        contract.SWEEP_TYPE,
        contract.SweepInput(grace_seconds=grace),
        id=f"sweep-{new_id()}",
        task_queue=contract.QUEUE,
        result_type=contract.SweepReport,
    )
    return report


async def _findings(operator: Operator, kind: FindingKind) -> list[SweepFinding]:
    async with operator.database.transaction() as session:
        return [finding for finding in await sweeping.unrepaired(session) if finding.kind == kind]


async def _status(operator: Operator, run_id: UUID) -> WorkflowExecutionStatus | None:
    return (await (await operator.workflow(run_id)).describe()).status


async def _gone(operator: Operator, run_id: UUID) -> None:
    """The run's workflow as if Temporal had lost it: ended, and nothing of it is kept."""
    handle = await operator.workflow(run_id)
    await handle.terminate()
    client = await connect(operator.settings)

    async def listed() -> list[WorkflowExecution]:
        return [found async for found in client.list_workflows(f"WorkflowId = '{handle.id}'")]

    # Temporal lists an execution, and its end, a little after they are so; deleting one before that fails for long.
    executions = await until(listed, _all_ended)
    for execution in executions:
        await client.workflow_service.delete_workflow_execution(_deletion(client, execution.id, execution.run_id))

    async def forgotten() -> bool:
        try:
            await handle.describe()
        except RPCError as error:
            return error.status is RPCStatusCode.NOT_FOUND
        return False

    await until(forgotten)


def _all_ended(executions: list[WorkflowExecution]) -> bool:
    return bool(executions) and all(found.status is not WorkflowExecutionStatus.RUNNING for found in executions)


def _deletion(client: Client, workflow_id: str, run_id: str) -> DeleteWorkflowExecutionRequest:
    return DeleteWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=ExecutionKey(workflow_id=workflow_id, run_id=run_id),
    )


async def test_a_run_whose_workflow_was_ended_by_hand_goes_on(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    model.script(latency=0.3)
    await operator.messages(100)
    run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=2)
    await until(lambda: operator.run(run_id), lambda run: run.batches_completed >= 2)
    await (await operator.workflow(run_id)).terminate()
    await until(lambda: _sweep(settings), lambda report: report.repaired >= 1)
    await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == 10
    assert await _findings(operator, "no_workflow") == []


async def test_a_run_in_review_whose_workflow_temporal_lost_gets_it_back_and_can_be_closed(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    await _gone(operator, run_id)
    await _sweep(settings)
    assert await _status(operator, run_id) is WorkflowExecutionStatus.RUNNING
    assert (await operator.commands.close(run_id)).status == "closed"


async def test_what_changed_a_moment_ago_is_left_alone(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    await (await operator.workflow(run_id)).terminate()
    await _sweep(settings, grace=600.0)
    assert await _status(operator, run_id) is WorkflowExecutionStatus.TERMINATED


async def test_a_workflow_of_a_run_that_is_over_ends(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    async with operator.database.transaction() as session:
        await session.execute(text("UPDATE analysis_runs SET status = 'closed', closed_at = now()"))

    async def swept() -> WorkflowExecutionStatus | None:
        await _sweep(settings)
        return await _status(operator, run_id)

    await until(swept, lambda status: status is not WorkflowExecutionStatus.RUNNING)
    await until(lambda: _swept_findings(operator, settings), lambda found: not found)


async def _swept_findings(operator: Operator, settings: Settings) -> list[SweepFinding]:
    await _sweep(settings)
    return await _findings(operator, "needless_workflow")


async def test_a_run_that_should_have_closed_by_itself_is_closed_though_nobody_told_its_workflow(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    await operator.messages(10)
    assignment = await operator.assignment(model.base_url)
    run_id = await operator.started_run(assignment, auto_close_after_seconds=60)
    await operator.until(run_id, "completed")
    [proposal] = await operator.proposals(run_id)
    await decisions.approve(operator.database, proposal.id, actor=LOCAL)
    await _sweep(settings)
    assert (await operator.run(run_id)).status == "reviewed"
    async with operator.database.transaction() as session:
        await session.execute(text("UPDATE analysis_runs SET last_event_at = now() - interval '1 hour'"))
    await _sweep(settings)
    await operator.until(run_id, "closed")
    await operator.check_books(run_id)


async def test_counters_that_are_wrong_are_told_and_not_touched(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    await operator.messages(10)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "completed")
    async with operator.database.transaction() as session:
        await session.execute(
            text("UPDATE analysis_runs SET proposals_pending = proposals_pending + 1, proposals_total = 2")
        )
    await _sweep(settings)
    (finding,) = await _findings(operator, "counters_disagree")
    assert finding.run_id == run_id
    assert (await operator.run(run_id)).proposals_total == 2
    async with operator.database.transaction() as session:
        await session.execute(text("UPDATE analysis_runs SET proposals_pending = 1, proposals_total = 1"))
    await _sweep(settings)
    assert await _findings(operator, "counters_disagree") == []


async def test_a_healthy_service_gives_no_finding(operator: Operator, model: ModelServer, settings: Settings) -> None:
    model.script(latency=0.3)
    await operator.messages(50)
    run_id = await operator.started_run(await operator.assignment(model.base_url))
    await operator.until(run_id, "running")
    await _sweep(settings)
    await operator.until(run_id, "completed")
    await _sweep(settings)
    found = [*await _findings(operator, "no_workflow"), *await _findings(operator, "needless_workflow")]
    assert found == []
    assert (await operator.check_books(run_id)).batches_completed == 5


@pytest.fixture
async def schedule(settings: Settings) -> AsyncIterator[Settings]:
    """The settings of a service that sweeps; its schedule is taken away at the end."""
    yield settings.model_copy(update={"sweep_seconds": 3600})
    client = await connect(settings)
    await client.get_schedule_handle(contract.SWEEP_SCHEDULE).delete()


async def test_the_schedule_is_made_once_and_starts_sweeps(schedule: Settings) -> None:
    client = await connect(schedule)
    await ensure_schedule(client, schedule)
    await ensure_schedule(client, schedule)
    handle = client.get_schedule_handle(contract.SWEEP_SCHEDULE)
    await handle.trigger()
    described = await until(handle.describe, lambda described: bool(described.info.recent_actions))
    assert described.info.num_actions >= 1  # two where an hour begins meanwhile
