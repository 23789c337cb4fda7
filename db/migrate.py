"""Bring a database to the present schema."""

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db.engine import async_url

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_SECONDS = 2
LOCK_ATTEMPTS = 30
_IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_LOCK = 0x676C6E72  # any number, the same in every process that migrates


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Run the migrations that the database lacks, in one transaction; processes that do so at once take turns.

    Runs at work are not held up: a lock that isn't to be had within `LOCK_SECONDS` is let go and tried for again, since
    whoever waits for a lock on a table makes everybody behind it wait too. LockNotAvailableError after many tries.
    """
    engine = create_async_engine(async_url(dsn), poolclass=pool.NullPool, connect_args={"timeout": 5})
    try:
        for attempt in range(1, LOCK_ATTEMPTS + 1):
            try:
                await _try_upgrade(engine, revision)
            except DBAPIError as error:
                cause = error.orig.__cause__ if error.orig else None
                if attempt == LOCK_ATTEMPTS or not isinstance(cause, _IN_THE_WAY):
                    raise
                await asyncio.sleep(LOCK_SECONDS)
            else:
                return
    finally:
        await engine.dispose()


async def _try_upgrade(engine: AsyncEngine, revision: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        await connection.run_sync(_upgrade, revision)


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def expected_version() -> str:
    """The newest migration."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None
    return head


def run_upgrade(dsn: str) -> None:
    """The same for callers without an event loop."""
    asyncio.run(upgrade(dsn))
