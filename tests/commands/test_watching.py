"""`gleaner watch` of runs that have settled before."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from commands import console
from commands.api_client import ApiClient
from commands.watching import watch
from db import runs
from db.engine import Database
from models.values import RunStatus
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.builders import add_run
from tests.support.waiting import until

FAILED: dict[str, Any] = {"error": {"code": "provider_auth", "message": "The key was refused.", "hint": "Renew it."}}
COMPLETED = {"proposals_total": 0, "batches_failed": 0}


@pytest.fixture
async def api(settings: Settings, database: Database) -> AsyncIterator[ServedApi]:
    async with serve_api(settings) as served:
        yield served


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is printed."""
    lines: list[str] = []
    monkeypatch.setattr(console, "say", lines.append)
    return lines


async def _happen(database: Database, run_id: UUID, status: RunStatus, *events: tuple[str, dict[str, Any]]) -> None:
    async with runs.locked(database, run_id) as held:
        held.run.status = status
        for event, data in events:
            await held.record(event, data)


async def _watched(settings: Settings, api: ServedApi, run_id: UUID) -> dict[str, Any]:
    with ApiClient(settings, api.url) as client:
        return await asyncio.to_thread(watch, client, str(run_id))


async def test_a_run_that_was_retried_is_watched_to_its_new_end(
    database: Database, settings: Settings, api: ServedApi, said: list[str]
) -> None:
    run = await add_run(database)
    await _happen(database, run.id, "running", ("run_failed", FAILED), ("run_resumed", {}))
    watching = asyncio.create_task(_watched(settings, api, run.id))

    async def resumed() -> bool:
        return any("run resumed" in line for line in said)

    await until(resumed)
    await _happen(database, run.id, "completed", ("run_completed", COMPLETED))
    assert (await watching)["event"] == "run_completed"


async def test_of_a_run_that_is_settled_all_is_shown_and_its_last_end_counts(
    database: Database, settings: Settings, api: ServedApi, said: list[str]
) -> None:
    run = await add_run(database)
    before = [("run_failed", FAILED), ("run_resumed", {}), ("run_completed", COMPLETED), ("proposal_approved", {})]
    await _happen(database, run.id, "completed", *before)
    assert (await _watched(settings, api, run.id))["event"] == "run_completed"
    assert [line.partition("] ")[2] for line in said] == [
        "run created",
        "failed: The key was refused. Renew it.",
        "run resumed",
        "completed: 0 proposals, 0 batches failed",
        "proposal approved",
    ]


async def test_a_run_whose_events_were_purged_shows_none(
    database: Database, settings: Settings, api: ServedApi, said: list[str]
) -> None:
    run = await add_run(database)
    await _happen(database, run.id, "closed", ("run_completed", COMPLETED), ("run_closed", {}))
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM run_events"))
    assert await _watched(settings, api, run.id) == {"event": "run_closed"}
    assert said == []
