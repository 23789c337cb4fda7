"""Connections: kept, and replaced when the server has closed them."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from db.engine import Database, is_outage
from db.statements import Connection
from tests.support.waiting import until

CONNECTIONS = 4


async def backend(database: Database) -> int:
    """The server's process behind one transaction."""
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_sleep(0.05)"))
        return int(await session.scalar(text("SELECT pg_backend_pid()")) or 0)


async def backends(database: Database) -> set[int]:
    return set(await asyncio.gather(*(backend(database) for _ in range(CONNECTIONS))))


async def pooled(database: Database) -> list[Connection]:
    """The driver's connections in the pool."""
    taken = [await database.engine.raw_connection() for _ in range(CONNECTIONS)]
    found = [one.driver_connection for one in taken]
    for one in taken:
        one.close()
    return [one for one in found if one is not None]


async def test_connections_that_the_server_closed_are_replaced_without_an_error(database: Database) -> None:
    connections = await pooled(database)
    before = {one.get_server_pid() for one in connections}
    assert len(before) == CONNECTIONS
    async with Database(database.dsn, pool_size=1) as other, other.connection() as connection:
        await connection.fetch("SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid", [*before])

    async def open_ones() -> int:
        return sum(not one.is_closed() for one in connections)

    # The driver hears of it last: a process that ends is no longer listed while its socket is still open.
    await until(open_ones, lambda count: count == 0)
    after = await backends(database)
    assert len(after) > 0
    assert not after & before


async def test_a_statement_alone_is_a_transaction(database: Database) -> None:
    async with database.connection() as connection:
        first, second = [await connection.fetchval("SELECT pg_current_xact_id()") for _ in range(2)]
        assert first != second
        assert not connection.is_in_transaction()


async def test_a_connection_that_waits_for_the_end_of_a_lost_statement_is_replaced(database: Database) -> None:
    """The server went away in the middle of a statement, and the driver takes no other one on that connection."""
    async with Database(database.dsn, pool_size=1) as narrow:
        before = await backend(narrow)
        with pytest.raises(asyncpg.InternalClientError) as lost:
            async with narrow.connection():
                raise asyncpg.InternalClientError("another operation is in progress")
        assert is_outage(lost.value)
        assert await backend(narrow) != before
