"""What operators tell a run at work, by the `temporal` command as the documents have it, and what all then see."""

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.guide.stand_in import stand_in_assignment
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.service import ROOT, Service, gleaner
from tests.support.waiting import until

TEMPORAL = str(Path(sys.executable).parent / "temporal")
DOCUMENTED = [
    line
    for line in (ROOT / "docs" / "operations.md").read_text().splitlines()
    if line.startswith("temporal workflow ") and "analysis-run-$RUN" in line
]


def _documented(*words: str) -> str:
    """The one documented command with all of these words."""
    (found,) = [line for line in DOCUMENTED if all(word in line for word in words)]
    return found


async def _typed(service: Service, run_id: str, command: str, *, status: int = 0) -> str:
    program, *arguments = shlex.split(command.replace("$RUN", run_id))
    assert program == "temporal"
    process = await asyncio.create_subprocess_exec(
        TEMPORAL,
        *arguments,
        "--address",
        service.stack["temporal"],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == status, printed.decode()
    return printed.decode()


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
async def assignment(service: Service, model: ModelServer) -> str:
    return await stand_in_assignment(service, model)


@pytest.fixture(scope="module")
def days() -> Iterator[str]:
    """Days that no other run of the module uses."""
    return iter([f"2023-03-{day:02d}" for day in range(1, 29)])


@pytest.fixture
async def run_id(service: Service, model: ModelServer, assignment: str, days: Iterator[str]) -> AsyncIterator[str]:
    """A run of 60 batches, two at a time, with some done and a slow model."""
    model.script(latency=0.4)
    started = await _started(service, assignment, next(days), 600)
    yield started
    await service.http.post(f"/analysis/runs/{started}/cancel")


async def _started(service: Service, assignment: str, day: str, count: int) -> str:
    messages = [
        {
            "source": "control",
            "channel": "ops",
            "external_id": f"{day}-{number}",
            "author": ("ada", "ben")[number % 2],
            "sent_at": f"{day}T{number // 60:02d}:{number % 60:02d}:00Z",
            "content": f"please look at machine number {number}",
        }
        for number in range(count)
    ]
    await service.post("/messages", {"messages": messages})
    body = {
        "time_window_start": f"{day}T00:00:00Z",
        "time_window_end": f"{day}T23:00:00Z",
        "agent_assignment_id": assignment,
        "options": {"max_batch_size": 10, "concurrency": 2, "use_cache": False},
    }
    run_id: str = (await service.post("/analysis/runs", body, status=201))["id"]
    await service.post(f"/analysis/runs/{run_id}/start")
    return run_id


async def _run(service: Service, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = await service.get(f"/analysis/runs/{run_id}")
    return run


async def test_signals_as_documented_steer_a_run_at_work_and_every_watcher_sees_it(
    service: Service, model: ModelServer, run_id: str
) -> None:
    environment = {"GLEANER_API_URL": service.stack["api"]}
    watching = await gleaner("watch", run_id, environment=environment)
    async with websockets.connect(f"{service.socket_url}?run_id={run_id}&after_seq=0", proxy=None) as socket:
        await until(lambda: _run(service, run_id), lambda run: run["batches_completed"] >= 1)
        await _typed(service, run_id, _documented("--name pause"))
        paused = await until(lambda: _run(service, run_id), lambda run: run["stage"] == "held")
        assert (paused["status"], paused["paused_reason"]) == ("paused", "requested")
        # From here on no call ends: the run is at work still when it is cancelled, however slow the machine.
        model.script(latency=600.0)
        assert json.loads(await _typed(service, run_id, _documented("--name progress") + " -o json"))
        await _typed(service, run_id, _documented("set_limits", "concurrency"))
        await _typed(service, run_id, _documented("set_limits", "budget_usd"))
        await until(
            lambda: _run(service, run_id),
            lambda run: (run["options"]["concurrency"], run["options"]["budget_usd"]) == (4, "5.00"),
        )
        await _typed(service, run_id, _documented("update", "change_limits"))
        assert (await _run(service, run_id))["options"]["concurrency"] == 8
        assert (await _run(service, run_id))["batches_completed"] == paused["batches_completed"]
        await _typed(service, run_id, _documented("--name close", "signal"))
        await _typed(service, run_id, _documented("update", "close_run"), status=1)
        await _typed(service, run_id, _documented("--name resume"))
        await until(lambda: asyncio.sleep(0, model.stats().in_flight), lambda calls: calls == 8)
        await _typed(service, run_id, _documented("--name cancel", "signal"))
        await service.run_until(run_id, "cancelled")
        await until(lambda: asyncio.sleep(0, model.stats().in_flight), lambda calls: calls == 0)
        heard = [json.loads(message) async for message in _until_cancelled(socket)]
    told = [event["event"] for event in heard if event["event"] not in ("progress_updated", "proposals_created")]
    assert told[-9:] == [
        "batches_created",
        "run_paused",
        "limits_changed",
        "limits_changed",
        "limits_changed",
        "command_refused",
        "command_refused",
        "run_resumed",
        "run_cancelled",
    ]
    printed, _ = await asyncio.wait_for(watching.communicate(), 30)
    for line in ("paused (requested)", "refused close: invalid_transition", "run resumed", "run cancelled"):
        assert line in printed.decode()


async def _until_cancelled(socket: websockets.ClientConnection) -> AsyncIterator[str | bytes]:
    async for message in socket:
        yield message
        if json.loads(message)["event"] == "run_cancelled":
            return


async def test_a_workflow_cancel_as_documented_ends_a_run_at_work(
    service: Service, model: ModelServer, run_id: str
) -> None:
    await until(lambda: _run(service, run_id), lambda run: run["batches_completed"] >= 1)
    await _typed(service, run_id, _documented("workflow cancel"))
    run = await service.run_until(run_id, "cancelled")
    assert 1 <= run["batches_completed"] < 60
    assert run["proposals_total"] >= 1
    await until(lambda: asyncio.sleep(0, model.stats().in_flight == 0))


async def test_a_retry_signal_as_documented_runs_the_failed_batches_alone(
    service: Service, model: ModelServer, assignment: str, days: Iterator[str]
) -> None:
    model.script(Rule("prose", text="number 15"))
    run_id = await _started(service, assignment, next(days), 30)
    run = await service.run_until(run_id, "completed")
    assert run["batches_failed"] == 1
    model.script()
    await _typed(service, run_id, _documented("--name retry_failed_batches"))
    await until(
        lambda: _run(service, run_id), lambda run: run["status"] == "completed" and run["batches_completed"] == 3
    )
    assert model.stats().calls == 1


async def test_every_command_that_the_state_forbids_is_refused_with_a_reason(service: Service, run_id: str) -> None:
    await service.post(f"/analysis/runs/{run_id}/cancel", status=202)
    await service.run_until(run_id, "cancelled")
    for command in ("start", "pause", "resume", "cancel", "retry"):
        await _refused(await service.http.post(f"/analysis/runs/{run_id}/{command}"))
    await _refused(await service.http.patch(f"/analysis/runs/{run_id}/limits", json={"concurrency": 3}))
    assert (await service.post(f"/analysis/runs/{run_id}/close"))["status"] == "closed"
    for command in ("start", "pause", "resume", "cancel", "retry", "close"):
        await _refused(await service.http.post(f"/analysis/runs/{run_id}/{command}"))


async def _refused(reply: httpx.Response) -> None:
    assert reply.status_code == 409
    problem = reply.json()
    assert problem["code"] in ("invalid_transition", "run_not_pending")
    assert problem["detail"]
