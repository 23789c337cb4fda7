"""What is too old goes, and what somebody needs stays."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from db import answers, purging
from db.engine import Database
from db.purging import Kept
from models.base import now
from models.run import ModelResponse
from models.values import RunStatus
from tests.support.builders import START, add_batches, add_messages, add_proposals, add_run

LATER = now() + timedelta(days=1)


async def _answer(database: Database, run_id: UUID, name: str, *, days_old: int) -> None:
    async with database.transaction() as session:
        made = ModelResponse(fingerprint=name, run_id=run_id, model="m", raw_answer="{}")
        session.add(made)
        await session.flush()
        await session.execute(
            text(
                "UPDATE model_responses SET created_at = now() - make_interval(days => :days) WHERE fingerprint = :name"
            ),
            {"days": days_old, "name": name},
        )


async def _scalar(database: Database, query: str) -> object:
    async with database.transaction() as session:
        return await session.scalar(text(query))


async def test_old_answers_go_and_those_that_are_still_to_be_saved_stay(database: Database) -> None:
    run = await add_run(database, status="running")
    await add_batches(database, run.id, "running", fingerprint="needed")
    for name, days in (("old", 100), ("needed", 100), ("young", 10)):
        await _answer(database, run.id, name, days_old=days)
    kept = Kept(answers=now() - timedelta(days=90))
    assert (await purging.purge(database, kept, dry_run=True))["answers"] == 1
    assert (await purging.purge(database, kept))["answers"] == 1
    async with database.transaction() as session:
        assert await answers.stored(session, "old") is None
        assert await answers.stored(session, "needed") is not None
        assert await answers.stored(session, "young") is not None


async def test_a_run_without_tasks_goes_whole_and_one_with_tasks_keeps_its_proposals(database: Database) -> None:
    empty, fruitful = await add_run(database, status="closed"), await add_run(database, status="closed", day=2)
    for run in (empty, fruitful):
        await add_batches(database, run.id, "completed")
    await add_proposals(database, empty.id, status="rejected")
    await add_proposals(database, fruitful.id, status="approved")
    expected = await purging.purge(database, Kept(runs=LATER), dry_run=True)
    removed = await purging.purge(database, Kept(runs=LATER))
    assert removed == expected
    assert removed["runs"] == 1
    assert await _scalar(database, "SELECT id FROM analysis_runs") == fruitful.id
    assert await _scalar(database, "SELECT count(*) FROM task_proposals") == 1
    for table in ("analysis_batches", "run_events"):
        assert await _scalar(database, f"SELECT count(*) FROM {table}") == 0


async def test_a_run_with_a_proposal_that_others_were_merged_into_stays(database: Database) -> None:
    target, source = await add_run(database, status="cancelled"), await add_run(database, status="closed", day=2)
    for run in (target, source):
        await add_batches(database, run.id, "completed")
    [whole] = await add_proposals(database, target.id, status="rejected")
    [part] = await add_proposals(database, source.id, status="merged", merged_into_id=whole)
    expected = await purging.purge(database, Kept(runs=LATER), dry_run=True)
    assert await purging.purge(database, Kept(runs=LATER)) == expected
    assert (expected["runs"], expected["batches"]) == (0, 2)
    assert await _scalar(database, "SELECT count(*) FROM task_proposals") == len({whole, part})


async def test_a_run_that_is_not_over_keeps_everything(database: Database) -> None:
    statuses: tuple[RunStatus, ...] = ("pending", "running", "paused", "completed", "reviewed", "failed")
    for day, status in enumerate(statuses):
        run = await add_run(database, status=status, day=2 * day)
        await add_batches(database, run.id, "completed")
    await purging.purge(database, Kept(runs=LATER))
    assert await _scalar(database, "SELECT count(*) FROM analysis_runs") == 6
    assert await _scalar(database, "SELECT count(*) FROM analysis_batches") == 6


async def test_a_message_that_somebody_rests_on_or_looks_at_stays(database: Database) -> None:
    cited, rejected, free = await add_messages(database, "cited", "rejected", "free", start=START)
    (looked_at,) = await add_messages(database, "looked at", start=START + timedelta(days=10))
    closed = await add_run(database, status="closed")
    await add_run(database, status="completed", day=10)
    await add_proposals(database, closed.id, status="approved", source_message_ids=[cited])
    await add_proposals(database, closed.id, status="rejected", source_message_ids=[rejected])
    kept = Kept(messages=LATER)
    assert (await purging.purge(database, kept, dry_run=True))["messages"] == 2
    assert (await purging.purge(database, kept))["messages"] == 2
    async with database.transaction() as session:
        left = set((await session.scalars(text("SELECT id FROM messages"))).all())
    assert left == {cited, looked_at}
    assert free not in left


async def test_many_rows_go_in_portions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "AT_ONCE", 3)
    run = await add_run(database)
    for number in range(7):
        await _answer(database, run.id, f"name {number}", days_old=100)
    assert (await purging.purge(database, Kept(answers=now())))["answers"] == 7


async def test_what_is_of_no_use_goes_in_any_case(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO idempotency_keys (actor, key, request_hash, created_at)"
                " VALUES ('a', 'old', '', now() - interval '2 days'), ('a', 'young', '', now())"
            )
        )
    assert (await purging.purge(database, Kept()))["idempotency_keys"] == 1
