"""Workers that stop while runs are at work, and a schema that changes under them."""

import asyncio
import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from db import migrate
from settings import Settings
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.proxy import proxied
from tests.support.waiting import until
from tests.support.worker_process import worker_process
from tests.support.working import Operator, working

BATCHES = 6


async def _run_under_way(operator: Operator, model: ModelServer, *, calls: int = BATCHES) -> UUID:
    """A run of six batches, all of whose calls are under way at once."""
    await operator.messages(10 * BATCHES)
    run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=BATCHES)
    await until(lambda: asyncio.sleep(0, model.stats().calls), lambda number: number == calls)
    return run_id


async def test_a_worker_that_is_told_to_stop_keeps_the_answers_that_come_in_time(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    model.script(latency=1.0)
    async with working(settings):
        run_id = await _run_under_way(operator, model)
    assert (await operator.run(run_id)).llm_requests == BATCHES
    async with working(settings):
        await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == BATCHES
    assert model.stats().calls == BATCHES


async def test_a_worker_that_is_told_to_stop_gives_up_calls_that_do_not_end(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    model.script(Rule("hang"))
    async with working(settings.model_copy(update={"worker_shutdown_seconds": 1.0})):
        run_id = await _run_under_way(operator, model)
    await until(lambda: asyncio.sleep(0, model.stats().in_flight), lambda number: number == 0)
    model.script()
    async with working(settings):
        await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    assert run.batches_completed == BATCHES
    assert run.llm_requests == 2 * BATCHES


@pytest.mark.parametrize("part", ["database", "temporal"])
async def test_a_worker_stops_within_its_bound_though_a_server_is_away(
    operator: Operator, model: ModelServer, settings: Settings, part: str
) -> None:
    model.script(Rule("hang"))
    dsn = settings.database_url.get_secret_value()
    address = urlsplit(dsn)
    temporal_port = int(settings.temporal_address.rpartition(":")[2])
    async with proxied(address.port or 5432) as database, proxied(temporal_port) as temporal:
        through = settings.model_copy(
            update={
                "database_url": type(settings.database_url)(dsn.replace(f":{address.port}", f":{database.port}")),
                "temporal_address": f"127.0.0.1:{temporal.port}",
                "worker_shutdown_seconds": 1.0,
            }
        )
        async with working(through):  # its end fails where it takes longer than it may
            run_id = await _run_under_way(operator, model)
            await (database if part == "database" else temporal).down()
    model.script()
    async with working(settings):
        await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == BATCHES


async def test_a_worker_that_is_told_twice_ends_at_once(
    operator: Operator, model: ModelServer, settings: Settings
) -> None:
    model.script(Rule("hang"))
    async with worker_process(settings.model_copy(update={"worker_shutdown_seconds": 600.0})) as worker:
        run_id = await _run_under_way(operator, model)
        worker.tell(signal.SIGTERM)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker.ended(), 2)
        worker.tell(signal.SIGTERM)
        assert await asyncio.wait_for(worker.ended(), 10) == 1
    model.script()
    async with working(settings):
        await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == BATCHES


_WAITING = """
    SELECT count(*) FROM pg_locks
    WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_NEXT = """
from alembic import op

revision = "next"
down_revision = "{present}"


def upgrade() -> None:
    op.execute("ALTER TABLE analysis_batches ADD COLUMN weight integer NOT NULL DEFAULT 1")
    op.execute("ALTER TABLE analysis_runs ADD COLUMN colour text")
    op.execute("CREATE INDEX ix_analysis_runs_colour ON analysis_runs (colour)")
"""


@pytest.fixture
def next_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrations with one more, as a later version would bring it."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "next.py").write_text(_NEXT.format(present=migrate.expected_version()))
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)


@pytest.mark.usefixtures("next_schema")
async def test_a_migration_under_runs_at_work_disturbs_none(
    operator: Operator, model: ModelServer, settings: Settings, dsn: str
) -> None:
    model.script(latency=0.3)
    async with working(settings):
        await operator.messages(200)
        run_id = await operator.started_run(await operator.assignment(model.base_url), concurrency=4)
        await until(lambda: operator.run(run_id), lambda run: run.batches_completed >= 2)
        await migrate.upgrade(dsn)
        await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == 20
    async with operator.database.transaction() as session:
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "next"


@pytest.mark.usefixtures("next_schema")
async def test_a_migration_waits_for_a_long_transaction_without_holding_up_others(
    operator: Operator, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 1)
    long = await asyncpg.connect(dsn)
    transaction = long.transaction()
    await transaction.start()
    await long.execute("LOCK TABLE analysis_runs IN ACCESS SHARE MODE")
    migrating = asyncio.create_task(migrate.upgrade(dsn))
    await until(lambda: long.fetchval(_WAITING))
    await until(lambda: long.fetchval(_WAITING), lambda number: number == 0)
    assert not migrating.done()
    await transaction.rollback()
    await long.close()
    await migrating
    async with operator.database.transaction() as session:
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "next"


@pytest.mark.usefixtures("next_schema")
async def test_a_migration_that_deadlocks_with_a_run_is_tried_again(operator: Operator, dsn: str) -> None:
    other = await asyncpg.connect(dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("LOCK TABLE analysis_runs IN ACCESS SHARE MODE")
    migrating = asyncio.create_task(migrate.upgrade(dsn))
    await until(lambda: other.fetchval(_WAITING))
    await other.execute("LOCK TABLE analysis_batches IN ACCESS SHARE MODE")
    await transaction.rollback()
    await other.close()
    await migrating
    async with operator.database.transaction() as session:
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "next"
