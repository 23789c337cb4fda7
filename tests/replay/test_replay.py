"""The present code carries on what every released version left in Temporal."""

import base64
import inspect
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from devstack.servers import Servers
from tests.replay.histories import Recording, present_version, recordings
from tests.replay.phases import PHASES
from tests.replay.record import record, to_record
from tests.replay.variants import Moved, Patched
from tests.support.working import KEY
from workflows import steps
from workflows.analysis_run import AnalysisRun
from workflows.provider_trial import ProviderTrial

RECORDED = recordings()
PRESENT = [recording for recording in RECORDED if recording.version == present_version()]

_OF_A_MACHINE = re.compile(r"\d+@|/(?:home|root|tmp|usr|work)/|" + re.escape(socket.gethostname()))


def replayer(run: type = AnalysisRun) -> Replayer:
    return Replayer(workflows=[run, ProviderTrial], data_converter=pydantic_data_converter)


@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: f"{recording.version}-{recording.name}")
async def test_the_present_code_carries_on_every_recorded_run(recording: Recording) -> None:
    await replayer().replay_workflow(recording.read())


async def test_a_step_that_was_moved_without_a_patch_is_caught() -> None:
    history = Recording(present_version(), "running").read()
    with pytest.raises(workflow.NondeterminismError):
        await replayer(Moved).replay_workflow(history)


async def test_steps_behind_a_patch_let_every_recorded_run_go_on() -> None:
    for recording in PRESENT:
        await replayer(Patched).replay_workflow(recording.read())


def test_every_phase_is_recorded_for_the_present_version() -> None:
    missing = set(PHASES) - {recording.name for recording in PRESENT}
    assert not missing, f"`make record` records {', '.join(sorted(missing))}"


def test_every_step_and_every_message_of_a_run_is_in_a_recording() -> None:
    """What no phase shows, no replay guards: a new one needs a phase in `tests/replay/phases.py`."""
    seen = {name for recording in PRESENT for name in _names(recording)}
    own = {
        name
        for name, step in inspect.getmembers(steps, inspect.iscoroutinefunction)
        if step.__module__ == steps.__name__
    }
    definition = workflow._Definition.must_from_class(AnalysisRun)
    messages = {str(name) for name in (*definition.signals, *definition.updates)}
    assert {name for name in own if not name.startswith("_")} | messages <= seen


def _names(recording: Recording) -> Iterator[str]:
    """The steps that the run took and the messages that reached it."""
    for event in recording.read().events:
        yield event.activity_task_scheduled_event_attributes.activity_type.name
        yield event.workflow_execution_signaled_event_attributes.signal_name
        yield event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name


@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: f"{recording.version}-{recording.name}")
def test_no_recording_tells_of_the_machine_that_made_it(recording: Recording) -> None:
    for text in _texts(recording.read().to_json_dict()):
        assert KEY not in text
        assert _OF_A_MACHINE.search(text) is None, text


def _texts(value: Any) -> Iterator[str]:
    """Every string in a history, those in payloads among them."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "data" and isinstance(item, str):
                yield base64.b64decode(item).decode()
            else:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


async def test_a_phase_is_played_on_real_servers_and_its_recording_replays(stack: Servers, tmp_path: Path) -> None:
    recording = await record(stack, "failed", tmp_path)
    assert recordings(tmp_path) == [recording]
    await replayer().replay_workflow(recording.read())
    test_no_recording_tells_of_the_machine_that_made_it(recording)


async def test_what_a_version_has_recorded_stays_unless_forced(tmp_path: Path) -> None:
    Recording(present_version(), "paused", tmp_path).write(Recording(present_version(), "paused").read())
    assert to_record(["running", "paused"], force=False, folder=tmp_path) == ["running"]
    assert to_record(["running", "paused"], force=True, folder=tmp_path) == ["running", "paused"]
