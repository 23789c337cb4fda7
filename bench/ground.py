"""What all contenders share: one PostgreSQL, one Temporal server, one model, and the same messages.

PostgreSQL writes to disk before it confirms, as in production, and counts the statements that it carries out.
"""

import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from bench.cpu import cpu_seconds, processes_named
from bench.loads import Window
from bench.model import Model, model_process
from db.engine import Database
from db.migrate import upgrade
from devstack.servers import Servers, servers
from tests.support.builders import fill_messages

WARM_UP = datetime(2026, 1, 5, tzinfo=UTC)
"""Where the window of a small run before the load begins."""
START = datetime(2026, 3, 2, tzinfo=UTC)
"""Where the window of the load begins."""
MOST_BATCHES = 1_000
"""That either window has messages for."""

_numbers = itertools.count(1)
_OURS = "/* bench */"
"""In statements of the benchmark itself, which aren't counted."""


@dataclass(frozen=True)
class Ground:
    """The servers, and a template of the database with all messages imported."""

    stack: Servers
    model: Model


@dataclass(frozen=True)
class Field:
    """A fresh database on the ground, for one contender's trial."""

    ground: Ground
    dsn: str
    connection: "asyncpg.Connection[asyncpg.Record]"

    async def look(self, query: str, *arguments: Any) -> asyncpg.Record:
        """One row, by a statement that isn't counted."""
        row = await self.connection.fetchrow(f"{_OURS} {query}", *arguments)
        assert row is not None
        return row

    async def forget_statements(self) -> None:
        await self.connection.execute(f"{_OURS} SELECT pg_stat_statements_reset()")

    async def statements(self) -> int:
        """Carried out in this database since they were forgotten."""
        row = await self.look(
            "SELECT coalesce(sum(calls), 0)::bigint AS calls FROM pg_stat_statements JOIN pg_database ON oid = dbid"
            f" WHERE datname = current_database() AND query NOT LIKE '{_OURS}%'"
        )
        return int(row["calls"])


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
        await _count_statements(Path(folder))
        async with servers(Path(folder), fsync=True) as stack, model_process() as model:
            await upgrade(stack.dsn)
            await _import_messages(stack)
            yield Ground(stack, model)


@asynccontextmanager
async def field(on: Ground) -> AsyncIterator[Field]:
    """A copy of the template; it is dropped at the end."""
    server, _, template = on.stack.dsn.rpartition("/")
    name = f"bench_{next(_numbers)}"
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        connection = await asyncpg.connect(f"{server}/{name}")
        await connection.execute(f"{_OURS} CREATE EXTENSION pg_stat_statements")
        try:
            yield Field(on, f"{server}/{name}", connection)
        finally:
            await connection.close()
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


def server_cpu() -> dict[str, float]:
    """What the servers have used so far, in seconds."""
    own = os.getpid()
    return {name: cpu_seconds(*processes_named(name, below=own)) for name in ("postgres", "temporal", "nats-server")}


async def _count_statements(folder: Path) -> None:
    """Takes effect when the server starts the next time."""
    async with servers(folder, fsync=True) as stack:
        connection = await asyncpg.connect(stack.dsn)
        await connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        await connection.close()


async def _import_messages(stack: Servers) -> None:
    async with Database(stack.dsn) as database:
        for start in (WARM_UP, START):
            count = Window(start, MOST_BATCHES).messages
            await fill_messages(database, count, source=f"{start:%B}", start=start)
    connection = await asyncpg.connect(stack.dsn)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
