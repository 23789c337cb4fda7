"""The migrations make the tables that the models describe."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from db.engine import Database
from db.migrate import upgrade
from models.tables import metadata


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_a_migrated_database_is_what_the_models_say(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_migrating_again_and_at_once_changes_nothing(database: Database, dsn: str) -> None:
    await asyncio.gather(*(upgrade(dsn) for _ in range(3)))
    async with database.engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
