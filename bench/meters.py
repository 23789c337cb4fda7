"""What processes and PostgreSQL have used so far, read from the outside."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg

from bench.cpu import cpu_seconds, descendants

_EXTENSION = "pg_stat_statements"


def child_of_ours(*words: str) -> int:
    """The process that we started and whose command line has all these words in it."""
    return next(pid for pid in descendants(os.getpid()) if _command_has(pid, words))


def cpu_of_parts(worker_pid: int) -> dict[str, float]:
    """Seconds of processor time that each part has used so far."""
    return {
        "worker": cpu_seconds(worker_pid),
        "temporal": cpu_seconds(child_of_ours("temporal", "start-dev")),
        "postgres": cpu_seconds(child_of_ours("postgres", "cluster_name=")),
    }


def resident_megabytes(pid: int) -> float:
    """Memory that the process has in hand now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024, 1)


def _command_has(pid: int, words: tuple[str, ...]) -> bool:
    command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return all(word in command for word in words)


async def count_statements_from_the_next_start(dsn: str) -> None:
    """Have the server load what counts statements; it takes effect when the server is started again."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"ALTER SYSTEM SET shared_preload_libraries = {_EXTENSION}")
    await connection.execute("ALTER SYSTEM SET autovacuum = off")  # its transactions are nobody's batches
    await connection.close()


@dataclass(frozen=True)
class Statements:
    """What the database's own user has sent, BEGIN, COMMIT and ROLLBACK among it, and what came of it."""

    statements: int
    transactions: int


class Observer:
    """Looks on as another user, so that what it asks isn't counted as a statement of the worker's."""

    def __init__(self, connection: asyncpg.Connection, owner: str) -> None:
        self._connection = connection
        self._owner = owner
        self._looks = 0

    @classmethod
    async def at(cls, dsn: str) -> Self:
        """An observer of the database there, whose user is a superuser."""
        owner = dsn.partition("//")[2].partition(":")[0]
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {_EXTENSION}")
        await connection.execute("CREATE ROLE observer SUPERUSER")
        await connection.execute("SET SESSION AUTHORIZATION observer")
        return cls(connection, owner)

    async def look(self, query: str, *values: object) -> asyncpg.Record:
        self._looks += 1
        row = await self._connection.fetchrow(query, *values)
        assert row is not None
        return row

    async def statements(self) -> Statements:
        """So far, without what was looked at here."""
        row = await self.look(
            "SELECT (SELECT sum(calls)::int8 FROM pg_stat_statements"
            " WHERE userid = CAST($1 AS regrole) AND dbid = database.oid),"
            " pg_stat_get_db_xact_commit(database.oid) + pg_stat_get_db_xact_rollback(database.oid)"
            " FROM pg_database AS database WHERE datname = current_database()",
            self._owner,
        )
        return Statements(row[0], row[1] - self._looks)

    async def top(self, count: int) -> list[tuple[int, str]]:
        """The statements that were sent most often, each with how often."""
        self._looks += 1
        rows = await self._connection.fetch(
            "SELECT calls, query FROM pg_stat_statements WHERE userid = CAST($1 AS regrole)"
            " ORDER BY calls DESC LIMIT $2",
            self._owner,
            count,
        )
        return [(row[0], " ".join(row[1].split())) for row in rows]

    async def close(self) -> None:
        await self._connection.close()
