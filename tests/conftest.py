"""What every test may stand on: real servers, started once for each pytest process, and a fresh database each."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from db.engine import Database
from db.migrate import upgrade
from devstack.servers import Servers, servers
from settings import Settings

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """PostgreSQL and Temporal; the database `gleaner` is migrated and serves as the template of the tests' own."""
    folder: Path = tmp_path_factory.mktemp("stack", numbered=True)
    async with servers(folder) as running:
        await upgrade(running.dsn)
        yield running


@pytest.fixture
async def dsn(stack: Servers) -> AsyncIterator[str]:
    """The DSN of a fresh, migrated database."""
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(stack.dsn.rpartition("/")[0] + "/postgres")
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE gleaner STRATEGY FILE_COPY')
        yield stack.dsn.rpartition("/")[0] + f"/{name}"
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A fresh, migrated database."""
    # A loaded machine is no outage.
    database = Database(dsn, connect_seconds=60.0)
    yield database
    await database.close()


@pytest.fixture
def settings(dsn: str, stack: Servers) -> Settings:
    """The settings of a process on that database and the shared Temporal server, as `gleaner dev` has them."""
    return Settings.model_validate(
        {
            "database_url": dsn,
            "temporal_address": stack.temporal_address,
            "temporal_ui_url": stack.ui_url,
            "auth": "off",
            "secret_key": "a secret of the tests",
            "allow_private_targets": True,
        }
    )
