"""Databases of their own for tests, copied from the migrated one."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from devstack.servers import Servers
from settings import Settings

_numbers = itertools.count(1)


@asynccontextmanager
async def fresh_database(template_dsn: str) -> AsyncIterator[str]:
    """The DSN of a fresh copy of the database `gleaner` at that DSN; it is dropped at the end."""
    server = template_dsn.rpartition("/")[0]
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE gleaner STRATEGY FILE_COPY')
        yield f"{server}/{name}"
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


def settings_for(stack: Servers, dsn: str) -> Settings:
    """The settings of a process on that database and that Temporal server, as `gleaner dev` has them."""
    return Settings.model_validate(
        {
            "database_url": dsn,
            "temporal_address": stack.temporal_address,
            "temporal_ui_url": stack.ui_url,
            "auth": "off",
            "secret_key": "a secret of the tests",
            "allow_private_targets": True,
            "sweep_seconds": 0,
            "embeddings": "off",
        }
    )
