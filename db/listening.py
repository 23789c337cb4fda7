"""Hearing that events were committed: LISTEN on a connection that does nothing else."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from db.outbox import CHANNEL

CONNECT_SECONDS = 5.0
CHECK_SECONDS = 5.0
"""A connection whose other end vanished without a word says nothing; so it is asked this often."""


async def listen(dsn: str, *, standing: Callable[[], None], heard: Callable[[str], None]) -> None:
    """Call `standing` once LISTEN stands, then `heard` with each payload; raises as soon as the connection is lost."""
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS,
        command_timeout=CONNECT_SECONDS,
        server_settings={"application_name": "gleaner-listener"},
    )
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, payload: heard(str(payload)))
        standing()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), CHECK_SECONDS)
            await connection.execute("SELECT 1")
    finally:
        await _close(connection)


async def _close(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    try:
        await connection.close(timeout=1)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
