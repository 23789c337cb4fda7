"""What the database itself refuses, whoever writes to it."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from db.engine import Database
from models import values
from models.tables import metadata
from tests.support.builders import add_batches, add_project, add_proposals, add_provider, add_run, proposals_of


async def write(database: Database, statement: str, **parameters: object) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement), parameters)


async def refused(database: Database, statement: str, constraint: str) -> None:
    with pytest.raises(IntegrityError) as error:
        await write(database, statement)
    assert constraint in str(error.value.orig), statement


@pytest.fixture
async def run_id(database: Database) -> UUID:
    """A run with a batch and a proposal."""
    run = await add_run(database, status="running")
    await add_batches(database, run.id, "waiting")
    await add_proposals(database, run.id)
    return run.id


MEANINGLESS = [
    ("analysis_runs", "status", "'open'"),
    ("analysis_runs", "stage", "'thinking'"),
    ("analysis_runs", "paused_reason", "'tired'"),
    ("analysis_runs", "trigger_type", "'automatic'"),
    ("analysis_runs", "time_window_end", "time_window_start"),
    ("analysis_runs", "proposals_pending", "2"),
    ("analysis_runs", "proposals_total", "0"),
    ("analysis_batches", "status", "'done'"),
    ("task_proposals", "status", "'review_required'"),
    ("task_proposals", "confidence", "7.5"),
    ("task_proposals", "confidence", "-0.1"),
    ("task_proposals", "confidence", "'NaN'"),
    ("task_proposals", "similarity_score", "1.1"),
    ("task_proposals", "proposed_title", "repeat('x', 201)"),
    ("task_proposals", "proposed_title", "''"),
    ("task_proposals", "proposed_priority", "'urgent'"),
    ("task_proposals", "proposed_category", "'docs'"),
    ("task_proposals", "llm_recommendation", "'accept'"),
    ("task_proposals", "similarity_type", "'near'"),
    ("task_proposals", "reject_reason", "'no'"),
    ("task_proposals", "review_action", "'split'"),
    ("task_proposals", "source_message_ids", "'{}'"),
    ("llm_providers", "type", "'closedai'"),
    ("llm_providers", "output_mode", "'xml'"),
    ("llm_providers", "request_timeout_seconds", "0"),
    ("agent_configs", "temperature", "2.5"),
    ("agent_configs", "max_tokens", "0"),
    ("sources", "type", "'pigeon'"),
]


async def test_a_value_that_means_nothing_is_refused(database: Database, run_id: UUID) -> None:
    assert run_id
    for table, column, value in MEANINGLESS:
        await refused(database, f"UPDATE {table} SET {column} = {value}", f'"ck_{table}_')


async def test_a_title_may_have_two_hundred_characters_of_any_kind(database: Database, run_id: UUID) -> None:
    await write(database, "UPDATE task_proposals SET proposed_title = repeat('😀', 200)")
    [proposal] = await proposals_of(database, run_id)
    assert len(proposal.proposed_title) == 200


async def test_counters_below_zero_are_refused_though_their_sum_is_right(database: Database, run_id: UUID) -> None:
    assert run_id
    statement = "UPDATE analysis_runs SET proposals_pending = 2, proposals_approved = -1"
    await refused(database, statement, "ck_analysis_runs_proposals")


async def test_a_proposal_is_there_once_for_its_run_batch_and_ordinal(database: Database, run_id: UUID) -> None:
    [proposal] = await proposals_of(database, run_id)
    statement = (
        "INSERT INTO task_proposals (run_id, batch_no, ordinal, proposed_title, confidence, source_message_ids,"
        " message_count, model, prompt_version)"
        f" VALUES ('{run_id}', 1, {proposal.ordinal}, 'again', 0.5, ARRAY[uuidv7()], 1, 'm', '1')"
    )
    await refused(database, statement, "uq_task_proposals_key")


async def test_a_batch_is_there_once(database: Database, run_id: UUID) -> None:
    statement = (
        "INSERT INTO analysis_batches (run_id, batch_no, source_id, channel, message_count)"
        f" SELECT '{run_id}', 1, id, 'general', 1 FROM sources"
    )
    await refused(database, statement, "analysis_batches_pkey")


async def test_the_overlap_is_refused_though_nobody_asked(database: Database, run_id: UUID) -> None:
    statement = (
        "INSERT INTO analysis_runs (time_window_start, time_window_end, agent_assignment_id)"
        f" SELECT time_window_start, time_window_end, agent_assignment_id FROM analysis_runs WHERE id = '{run_id}'"
    )
    await refused(database, statement, "ex_analysis_runs_overlap")


async def test_what_others_refer_to_stays(database: Database, run_id: UUID) -> None:
    project = await add_project(database)
    await write(database, "UPDATE analysis_runs SET project_config_id = :project", project=project)
    for table in ("agent_task_assignments", "agent_configs", "llm_providers", "project_configs", "sources"):
        await refused(database, f"DELETE FROM {table}", "foreign key")


async def test_with_a_run_goes_all_that_it_left_behind(database: Database, run_id: UUID) -> None:
    await write(database, "DELETE FROM analysis_runs WHERE id = :run", run=run_id)
    async with database.transaction() as session:
        for table in ("run_events", "analysis_batches", "task_proposals"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


async def test_a_name_is_there_once(database: Database) -> None:
    await add_provider(database, name="Stand-in")
    with pytest.raises(IntegrityError):
        await add_provider(database, name="Stand-in")


def _columns(connection: Connection) -> dict[str, dict[str, Any]]:
    """The types of all columns as the database has them, by `table.column`."""
    tables = inspect(connection)
    return {
        f"{table}.{column['name']}": {"type": column["type"], "nullable": column["nullable"]}
        for table in tables.get_table_names()
        if table != "alembic_version"
        for column in tables.get_columns(table)
    }


def _checks(connection: Connection) -> dict[str, str]:
    tables = inspect(connection)
    return {
        f"{table}.{check['name']}": check["sqltext"]
        for table in tables.get_table_names()
        for check in tables.get_check_constraints(table)
    }


async def test_every_time_is_a_moment(database: Database) -> None:
    async with database.engine.connect() as connection:
        columns = await connection.run_sync(_columns)
    times = {name: column["type"] for name, column in columns.items() if "TIMESTAMP" in str(column["type"])}
    assert len(times) > 30
    assert [name for name, kind in times.items() if not kind.timezone] == []
    named = {name for name in columns if re.search(r"(_at|_until|_since|_start|_end|\.at)$", name)}
    assert named <= set(times)


async def test_every_column_of_closed_words_is_checked_for_them(database: Database) -> None:
    """The aliases of `models.values` are found by the models' annotations."""
    async with database.engine.connect() as connection:
        checks = await connection.run_sync(_checks)
    aliases = {alias: values.words(alias) for alias in vars(values).values() if values.words(alias)}
    checked = 0
    for mapper in _models():
        for column, annotation in mapper.__annotations__.items():
            for alias, listed in aliases.items():
                if alias in (annotation, *getattr(annotation, "__args__", ())):
                    rule = checks[f"{mapper.__tablename__}.ck_{mapper.__tablename__}_{column}"]
                    assert re.findall(r"'(\w+)'", rule) == list(listed)
                    checked += 1
    assert checked >= 20


def _models() -> list[Any]:
    known = {table.name for table in metadata.sorted_tables}
    return [model for model in SQLModel.__subclasses__() if getattr(model, "__tablename__", None) in known]
