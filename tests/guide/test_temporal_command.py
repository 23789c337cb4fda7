"""The `temporal` command against a run, as an operator types it."""

import asyncio
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.guide.runs import completed_run
from tests.support.service import Service
from tests.support.waiting import until

TEMPORAL = str(Path(sys.executable).parent / "temporal")


async def _temporal(service: Service, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        TEMPORAL,
        *arguments,
        "--address",
        service.stack["temporal"],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


@pytest.fixture(scope="module")
async def run_id(service: Service) -> str:
    assert shutil.which(TEMPORAL)
    return await completed_run(service, "2024-05-01")


async def test_describe_shows_status_and_search_attributes(service: Service, run_id: str) -> None:
    described = json.loads(
        await _temporal(service, "workflow", "describe", "-w", f"analysis-run-{run_id}", "-o", "json")
    )
    assert described["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
    assert "RunStatus" in json.dumps(described)


async def test_query_progress_answers_with_the_figures(service: Service, run_id: str) -> None:
    async def ask() -> dict[str, Any]:
        answer = json.loads(
            await _temporal(
                service, "workflow", "query", "-w", f"analysis-run-{run_id}", "--name", "progress", "-o", "json"
            )
        )
        report: dict[str, Any] = answer["queryResult"][0]
        return report

    report = await until(ask, lambda report: report["status"] == "completed")
    assert report["run_id"] == run_id
    assert report["progress_percent"] == 100


async def test_runs_are_listed_by_their_status(service: Service, run_id: str) -> None:
    async def listed() -> str:
        return await _temporal(service, "workflow", "list", "-q", "RunStatus = 'completed'", "-o", "json")

    assert run_id in await until(listed, lambda printed: run_id in printed)


async def test_pause_and_resume_signals_that_the_state_forbids_change_nothing(service: Service, run_id: str) -> None:
    for name in ("pause", "resume"):
        await _temporal(service, "workflow", "signal", "-w", f"analysis-run-{run_id}", "--name", name)
        await until(partial(_refused, service, run_id, name))
    assert (await service.get(f"/analysis/runs/{run_id}"))["status"] == "completed"


async def test_close_is_refused_while_proposals_are_pending_and_then_completes_the_workflow(
    service: Service, run_id: str
) -> None:
    close = ("workflow", "signal", "-w", f"analysis-run-{run_id}", "--name", "close")
    await _temporal(service, *close)
    await until(lambda: _refused(service, run_id, "close"))
    for proposal in (await service.get("/proposals", run_id=run_id))["items"]:
        await service.post(f"/proposals/{proposal['id']}/approve")
    await _temporal(service, *close)
    await service.run_until(run_id, "closed")

    async def status() -> str:
        described = await _temporal(service, "workflow", "describe", "-w", f"analysis-run-{run_id}", "-o", "json")
        found: str = json.loads(described)["workflowExecutionInfo"]["status"]
        return found

    await until(status, lambda found: found == "WORKFLOW_EXECUTION_STATUS_COMPLETED")


async def test_workflow_cancel_means_the_same_as_the_signal(service: Service) -> None:
    """A run under way is cancelled; one that completed meanwhile refuses, and says so."""
    run_id = await completed_run(service, "2024-06-01", start=False)
    await service.post(f"/analysis/runs/{run_id}/start")
    await _temporal(service, "workflow", "cancel", "-w", f"analysis-run-{run_id}")

    async def obeyed() -> bool:
        run = await service.get(f"/analysis/runs/{run_id}")
        return run["status"] == "cancelled" or await _refused(service, run_id, "cancel")

    await until(obeyed)


async def _refused(service: Service, run_id: str, command: str) -> bool:
    events = (await service.get(f"/analysis/runs/{run_id}/events"))["items"]
    return any(event["event"] == "command_refused" and event["data"]["command"] == command for event in events)
