"""Statements: the same alone and in a session, and the same for tables that a later version has widened."""

import pytest
from sqlalchemy import text

from db import runs
from db.engine import Database
from db.statements import Statement
from tests.support.builders import add_run, events_of

TWICE = Statement("SELECT CAST(:name AS text) || 'x', CAST(:count AS integer), CAST(:name AS text) WHERE :count > 0")


async def test_a_statement_says_the_same_alone_and_in_a_session(database: Database) -> None:
    async with database.connection() as connection, database.transaction() as session:
        for on in (connection, session):
            row = await TWICE.row(on, {"name": "a", "count": 3, "unused": None})
            assert row is not None
            assert tuple(row) == ("ax", 3, "a")
            assert await TWICE.row(on, {"name": "a", "count": 0}) is None


@pytest.mark.parametrize("kind", ["integer NOT NULL DEFAULT 7", "text"])
async def test_an_older_process_writes_to_a_table_that_a_later_version_has_widened(
    database: Database, kind: str
) -> None:
    run = await add_run(database)
    async with database.transaction() as session:
        await session.execute(text(f"ALTER TABLE run_events ADD COLUMN later {kind}"))
    async with runs.locked(database, run.id) as held:
        await held.record("run_started", {"id": str(run.id)})
    assert [event.event for event in await events_of(database, run.id)] == ["run_created", "run_started"]
