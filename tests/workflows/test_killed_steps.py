"""A worker that is killed in the middle of a large window: the next one goes on where it stopped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from db.engine import Database
from models.run import AnalysisRun
from settings import Settings
from tests.support.builders import add_project, fill_messages
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.worker_process import worker_process
from tests.support.working import START, Operator, working

MESSAGES = 60_000
GATE = 4711


@dataclass(frozen=True)
class Gate:
    """Where a run is stopped: before it writes this row of a table."""

    command: str
    table: str
    row: str


FETCHING = Gate("INSERT", "run_message_chunks", "chunk_no = 4")
PREFILTERING = Gate("UPDATE", "run_message_chunks", "chunk_no = 4")
BATCHING = Gate("INSERT", "analysis_batches", "batch_no = 1100")


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@asynccontextmanager
async def closed_gates(connection: asyncpg.Connection, gates: dict[UUID, Gate]) -> AsyncIterator[None]:
    """Each run stops at its gate until the block ends."""
    await connection.execute(
        f"""
        CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NEW; END'
        """
    )
    for number, (run_id, gate) in enumerate(gates.items()):
        await connection.execute(
            f"""
            CREATE TRIGGER gate_{number} BEFORE {gate.command} ON {gate.table} FOR EACH ROW
            WHEN (NEW.run_id = '{run_id}' AND NEW.{gate.row}) EXECUTE FUNCTION wait_at_gate()
            """
        )
    await connection.execute("SELECT pg_advisory_lock($1)", GATE)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", GATE)


async def waiting_at_gates(connection: asyncpg.Connection) -> int:
    query = """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    return int(await connection.fetchval(query))


async def written(connection: asyncpg.Connection, table: str, number: str, run_id: UUID) -> dict[int, int]:
    """The rows of a run, each with the transaction that wrote it last."""
    query = f"SELECT {number} AS number, xmin::text::bigint AS writer FROM {table} WHERE run_id = $1"
    return {row["number"]: row["writer"] for row in await connection.fetch(query, run_id)}


async def batches_of(connection: asyncpg.Connection, run_id: UUID) -> list[list[UUID]]:
    query = "SELECT message_ids FROM analysis_batches WHERE run_id = $1 ORDER BY batch_no"
    return [row["message_ids"] for row in await connection.fetch(query, run_id)]


async def test_what_a_killed_worker_had_done_of_each_step_stays_and_nothing_is_done_twice(
    database: Database, settings: Settings, operator: Operator, model: ModelServer, connection: asyncpg.Connection
) -> None:
    await fill_messages(database, MESSAGES, channels=3, start=START)
    assignment = await operator.assignment(model.base_url)
    runs = {
        await operator.pending_run(assignment, project=await add_project(database), max_batch_size=50): gate
        for gate in (FETCHING, PREFILTERING, BATCHING)
    }
    fetching, prefiltering, batching = runs
    async with closed_gates(connection, runs):
        async with worker_process(settings, "workflow") as worker:
            for run_id in runs:
                await operator.commands.start(run_id)
            await until(lambda: waiting_at_gates(connection), lambda waiting: waiting == len(runs))
            await worker.kill()
        pinned = await written(connection, "run_message_chunks", "chunk_no", fetching)
        filtered = await written(connection, "run_message_chunks", "chunk_no", prefiltering)
        planned = await written(connection, "analysis_batches", "batch_no", batching)
        assert (len(pinned), len(filtered)) == (3, 6)
        assert 1000 <= len(planned) < 1100

    async def batched(run_id: UUID) -> AnalysisRun:
        return await until(lambda: operator.run(run_id), lambda run: run.batched_at is not None)

    async with working(settings.model_copy(update={"worker_roles": ["workflow"]})):
        done = [await batched(run_id) for run_id in runs]
    now_pinned = await written(connection, "run_message_chunks", "chunk_no", fetching)
    now_filtered = await written(connection, "run_message_chunks", "chunk_no", prefiltering)
    now_planned = await written(connection, "analysis_batches", "batch_no", batching)
    assert {run.total_messages_in_window for run in done} == {MESSAGES}
    assert {run.messages_after_prefilter for run in done} == {MESSAGES}
    assert {run.batches_created for run in done} == {1200}
    assert sorted(now_pinned) == [1, 2, 3, 4, 5, 6]
    # Filtered chunks and stored batches were not written again.
    assert [now_filtered[number] for number in (1, 2, 3)] == [filtered[number] for number in (1, 2, 3)]
    assert {number: now_planned[number] for number in planned} == planned
    plans = [await batches_of(connection, run_id) for run_id in runs]
    assert plans[0] == plans[1] == plans[2]
    ids = [message_id for batch in plans[2] for message_id in batch]
    assert len(ids) == len(set(ids)) == MESSAGES
    for run_id in runs:
        await operator.check_books(run_id)
