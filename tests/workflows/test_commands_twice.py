"""A command whose activity died after its work was done, before it said so, is done once."""

from dataclasses import replace
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.lifecycle import LifecycleActivities
from activities.resources import Resources
from db.engine import Database
from db.vault import Vault
from models.values import RunStatus
from settings import Settings
from tests.support.builders import add_batches, add_run, events_of, run_of
from workflows import contract


@pytest.fixture
def activities(database: Database, settings: Settings) -> LifecycleActivities:
    return LifecycleActivities(Resources(database, Vault.from_settings(settings), settings))


def _attempt(number: int) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=number)
    return environment


@pytest.mark.parametrize(
    ("before", "command", "after"),
    [
        ("running", {"name": "pause"}, "paused"),
        ("paused", {"name": "resume"}, "running"),
        ("completed", {"name": "retry_failed_batches"}, "running"),
        ("reviewed", {"name": "close"}, "closed"),
        ("running", {"name": "set_limits", "concurrency": 3}, "running"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else None,
)
async def test_a_second_attempt_at_a_command_finds_it_done(
    database: Database, activities: LifecycleActivities, before: RunStatus, command: dict[str, Any], after: RunStatus
) -> None:
    run = await add_run(database, status=before)
    await add_batches(database, run.id, "completed", "failed")
    asked = contract.RunCommand.model_validate({"run_id": run.id, **command})
    outcomes = [await _attempt(number).run(activities.apply_command, asked) for number in (1, 2)]
    assert [(one.accepted, one.state.status) for one in outcomes] == [(True, after)] * 2
    assert len(await events_of(database, run.id)) == 2
    # Whoever asks for it again is refused as ever, or, where that is allowed, heard.
    again = await _attempt(1).run(activities.apply_command, asked)
    assert again.accepted == (command["name"] == "set_limits")


async def test_a_second_attempt_at_a_retry_that_begins_an_execution_finds_it_done(
    database: Database, activities: LifecycleActivities
) -> None:
    run = await add_run(database, status="failed")
    await add_batches(database, run.id, "completed", "failed")
    beginning = contract.BeginRun(run_id=run.id, retry=True)
    for number in (1, 2):
        assert (await _attempt(number).run(activities.begin_run, beginning)).status == "running"
    assert "command_refused" not in [event.event for event in await events_of(database, run.id)]
    assert (await run_of(database, run.id)).batches_failed == 0
