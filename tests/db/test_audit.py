"""The audit: complete, true and unchangeable."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db import audit, decisions, keys, lifecycle, runs
from db.engine import Database
from db.lifecycle import RunError
from errors import Conflict
from models.actor import LOCAL, SYSTEM, Actor
from models.audit import AuditEntry
from models.base import new_id, now
from tests.support.builders import add_proposals, add_run

KEY = Actor("key", "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10", "ops")


async def told(database: Database, entity_id: UUID) -> list[AuditEntry]:
    """What the audit tells of a thing, the oldest first."""
    async with database.transaction() as session:
        return (await audit.listed(session, audit.conditions(entity_id=entity_id), limit=100))[::-1]


async def write(database: Database, *, at_days_ago: float = 0) -> UUID:
    entry = AuditEntry(
        actor_kind="system",
        actor_id="system",
        actor_name="system",
        action="create",
        entity_type="source",
        entity_id=new_id(),
        at=now() - timedelta(days=at_days_ago),
    )
    async with database.transaction() as session:
        session.add(entry)
    return entry.entity_id


async def execute(database: Database, *statements: str) -> None:
    async with database.transaction() as session:
        for statement in statements:
            await session.execute(text(statement))


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET actor_name = 'nobody'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
async def test_the_database_refuses_to_change_what_was_written(database: Database, statement: str) -> None:
    entity_id = await write(database, at_days_ago=4000)
    with pytest.raises(IntegrityError, match="append-only"):
        await execute(database, statement)
    assert len(await told(database, entity_id)) == 1


async def test_entries_older_than_a_moment_can_be_purged_and_no_others(database: Database) -> None:
    old, young = await write(database, at_days_ago=400), await write(database)
    before = now() - timedelta(days=365)
    assert await audit.purge(database, before) == 1
    assert await audit.purge(database, before) == 0
    assert (len(await told(database, old)), len(await told(database, young))) == (0, 1)
    with pytest.raises(IntegrityError, match="append-only"):
        await execute(database, f"SET LOCAL gleaner.audit_purge_before = '{before}'", "DELETE FROM audit_log")


async def fail_after_a_move(database: Database, run_id: UUID) -> None:
    async with runs.locked(database, run_id, KEY) as held:
        held.move("review")
        held.audit("review")
        raise RuntimeError


async def test_an_entry_is_written_with_its_change_or_not_at_all(database: Database) -> None:
    run = await add_run(database, status="completed")
    [proposal_id] = await add_proposals(database, run.id)
    with pytest.raises(RuntimeError):
        await fail_after_a_move(database, run.id)
    with pytest.raises(Conflict):
        await decisions.reopen(database, proposal_id, actor=KEY)
    assert [entry.action for entry in await told(database, run.id)] == ["create"]
    assert await told(database, proposal_id) == []


async def test_a_decision_is_told_of_the_proposal_its_task_and_its_run(database: Database) -> None:
    run = await add_run(database, status="completed")
    [proposal_id] = await add_proposals(database, run.id)
    task_id = (await decisions.approve(database, proposal_id, actor=KEY)).proposal.task_id
    assert task_id is not None
    [approved] = await told(database, proposal_id)
    assert (approved.actor_kind, approved.actor_id, approved.actor_name) == ("key", KEY.id, "ops")
    assert (approved.action, approved.entity_type) == ("approve", "proposal")
    assert approved.before == {"status": "pending", "task_id": None}
    assert approved.after == {"status": "approved", "task_id": str(task_id)}
    [made] = await told(database, task_id)
    assert (made.action, made.before) == ("create", None)
    assert made.after is not None
    assert made.after["title"] == "Fix part 0"
    assert [(entry.action, entry.after) for entry in await told(database, run.id)][1:] == [
        ("review", {"status": "reviewed"})
    ]


async def test_a_command_is_of_whoever_asked_for_it_in_the_api_else_of_the_system(database: Database) -> None:
    run = await add_run(database, status="running", stage="extracting")
    async with runs.locked(database, run.id, KEY) as held:
        held.await_command("pause")
    async with runs.locked(database, run.id) as held:
        await lifecycle.pause(held, "requested", draining=False)
    async with runs.locked(database, run.id) as held:
        await lifecycle.resume(held)
    async with runs.locked(database, run.id, KEY) as held:
        held.await_command("pause")
    async with runs.locked(database, run.id) as held:
        error = RunError("quota_exhausted", "the key sk-123 has no quota", "Raise it.")
        await lifecycle.pause(held, "provider_unavailable", error, draining=True)
    entries = (await told(database, run.id))[1:]
    assert [(entry.action, entry.actor_name) for entry in entries] == [
        ("pause", "ops"),
        ("resume", "system"),
        ("pause", "system"),
    ]
    assert entries[0].before == {"status": "running", "stage": "extracting", "paused_reason": None}
    assert entries[0].after == {"status": "paused", "stage": "held", "paused_reason": "requested"}
    assert entries[2].after is not None
    assert entries[2].after["error"] == "quota_exhausted"
    assert "sk-123" not in str(entries[2].after)


async def test_new_limits_are_told_with_the_old_ones(database: Database) -> None:
    run = await add_run(database, status="paused", paused_reason="budget")
    async with runs.locked(database, run.id, KEY) as held:
        held.await_command("set_limits")
    async with runs.locked(database, run.id) as held:
        await lifecycle.set_limits(held, None, 16)
    entry = (await told(database, run.id))[-1]
    assert (entry.action, entry.actor_name) == ("set_limits", "ops")
    assert (entry.before, entry.after) == ({"concurrency": 8}, {"concurrency": 16})


async def test_keys_are_told_without_their_secret(database: Database) -> None:
    async with database.transaction() as session:
        made = await keys.create(session, "reader", ["read"])
    async with database.transaction() as session:
        await keys.revoke(session, made.row.prefix)
        await keys.revoke(session, made.row.prefix)
    entries = await told(database, made.row.id)
    assert [(entry.action, entry.actor_kind, entry.actor_name) for entry in entries] == [
        ("create", "user", "local"),
        ("revoke", "user", "local"),
    ]
    assert made.secret not in str([entry.model_dump() for entry in entries])
    assert made.row.key_hash.hex() not in str([entry.model_dump() for entry in entries])


async def test_the_audit_is_filtered_by_each_of_its_words(database: Database) -> None:
    first, second = await add_run(database), await add_run(database, day=1)
    [proposal_id] = await add_proposals(database, first.id)
    await decisions.approve(database, proposal_id, actor=KEY)
    moment = (await told(database, second.id))[0].at
    # The offline agent, which the runs use, came into being with the first.
    query = "SELECT entity_id FROM audit_log WHERE entity_type NOT IN ('run', 'proposal', 'task')"
    async with database.transaction() as session:
        defaults = set(await session.scalars(text(query)))

    async def found(**wanted: object) -> set[UUID]:
        async with database.transaction() as session:
            conditions = audit.conditions(**wanted)  # type: ignore[arg-type]  # each test names its own
            entries = await audit.listed(session, conditions, limit=100)
            assert await audit.count(session, conditions) == len(entries)
        return {entry.entity_id for entry in entries}

    assert await found(entity_type="run") == {first.id, second.id}
    assert await found(entity_id=first.id) == {first.id}
    assert await found(action="approve") == {proposal_id}
    assert proposal_id in await found(actor="ops") == await found(actor=KEY.id)
    assert await found(actor=SYSTEM.name) == {first.id, second.id} | defaults
    assert await found(actor=LOCAL.name) == set()
    assert first.id not in await found(start=moment)
    assert await found(end=moment) == {first.id} | defaults
    assert len(defaults) == 4
