"""Bring a database to the present schema."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from db.engine import async_url

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x676C6E72  # any number, the same in every process that migrates


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Run the migrations that the database lacks, in one transaction; processes that do so at once take turns."""
    engine = create_async_engine(async_url(dsn), poolclass=pool.NullPool, connect_args={"timeout": 5})
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_upgrade, revision)
    finally:
        await engine.dispose()


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
