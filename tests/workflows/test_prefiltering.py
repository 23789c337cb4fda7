"""The prefilter takes two chunks at a time, and goes on where it was left."""

from collections.abc import Sequence

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.prefiltering import PrefilteringActivities
from activities.resources import Resources
from analysis.prefilter import Rules
from db import runs, windows
from db.engine import Database
from db.vault import Vault
from models.run import AnalysisRun
from settings import Settings
from tests.support.builders import add_run, fill_messages
from workflows import contract

MESSAGES = 25_000
CHUNKS = 3


@pytest.fixture
async def fetched(database: Database) -> AnalysisRun:
    await fill_messages(database, MESSAGES)
    run = await add_run(database, status="running", stage="prefiltering")
    async with database.transaction() as session:
        while await windows.pin_chunk(session, run) is not None:
            pass
    return run


@pytest.fixture
def activity(database: Database, settings: Settings) -> PrefilteringActivities:
    return PrefilteringActivities(Resources(database, Vault.from_settings(settings), settings))


async def _left(database: Database, run: AnalysisRun) -> Sequence[int]:
    async with database.transaction() as session:
        return await windows.unfiltered_chunks(session, run.id)


async def test_an_outage_in_one_chunk_is_one_and_what_was_done_stays(
    database: Database, fetched: AnalysisRun, activity: PrefilteringActivities, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, began, unlucky = windows.filter_chunk, list[int](), {CHUNKS}

    async def filter_chunk(session: AsyncSession, run_id: object, chunk_no: int, rules: Rules) -> None:
        began.append(chunk_no)
        if chunk_no in unlucky:
            unlucky.remove(chunk_no)
            raise OSError
        await really(session, fetched.id, chunk_no, rules)

    monkeypatch.setattr(windows, "filter_chunk", filter_chunk)
    ref = contract.RunRef(run_id=fetched.id)
    with pytest.raises(ApplicationError) as failed:
        await ActivityEnvironment().run(activity.prefilter_messages, ref)
    assert failed.value.type == "database_unavailable"
    left = await _left(database, fetched)
    assert CHUNKS in left
    began.clear()
    assert await ActivityEnvironment().run(activity.prefilter_messages, ref) == MESSAGES
    assert began == left
    async with database.transaction() as session:
        assert (await runs.get(session, fetched.id)).messages_after_prefilter == MESSAGES


async def test_two_chunks_are_under_way_at_a_time(
    fetched: AnalysisRun, activity: PrefilteringActivities, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, under_way, most = windows.filter_chunk, set[int](), 0

    async def filter_chunk(session: AsyncSession, run_id: object, chunk_no: int, rules: Rules) -> None:
        nonlocal most
        under_way.add(chunk_no)
        most = max(most, len(under_way))
        await really(session, fetched.id, chunk_no, rules)
        under_way.remove(chunk_no)

    monkeypatch.setattr(windows, "filter_chunk", filter_chunk)
    await ActivityEnvironment().run(activity.prefilter_messages, contract.RunRef(run_id=fetched.id))
    assert (most, under_way) == (2, set())
