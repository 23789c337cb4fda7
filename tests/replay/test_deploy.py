"""A new version is deployed while a run is at work."""

from collections.abc import AsyncIterator

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

import worker
from db import decisions
from devstack.servers import Servers
from models.actor import LOCAL
from tests.replay.phases import HANGING
from tests.replay.scene import Scene, scene
from tests.replay.test_replay import replayer
from tests.replay.variants import Patched
from tests.support.waiting import until


@pytest.fixture
async def played(stack: Servers) -> AsyncIterator[Scene]:
    async with scene(stack) as made:
        yield made


async def test_a_run_at_work_is_carried_on_by_a_worker_of_a_patched_version(
    played: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with played.worker():
        run_id = await played.run(6, HANGING)
        # The third call keeps its place, the other batches go by; the old version stops in the middle of them.
        await until(lambda: played.operator.run(run_id), lambda run: run.batches_completed >= 3)
    assert (await played.operator.run(run_id)).status == "running"
    played.model.script()
    monkeypatch.setattr(worker, "AnalysisRun", Patched)
    async with played.worker():
        await played.operator.until(run_id, "completed")
        analysis, _ = await played.quiet(run_id, executions=2)
        assert _steps(analysis).count("read_state") == _patches(analysis) == 1
        await replayer(Patched).replay_workflow(analysis)
        with pytest.raises(workflow.NondeterminismError):
            await replayer().replay_workflow(analysis)
        for proposal in await played.operator.proposals(run_id):
            await decisions.approve(played.operator.database, proposal.id, actor=LOCAL)
        await played.operator.commands.close(run_id)
        handle = await played.workflow(run_id)
        await until(handle.describe, lambda seen: seen.status is WorkflowExecutionStatus.COMPLETED)
    assert (await played.operator.check_books(run_id)).batches_completed == 6


def _steps(history: WorkflowHistory) -> list[str]:
    return [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]


def _patches(history: WorkflowHistory) -> int:
    return sum(event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED for event in history.events)
