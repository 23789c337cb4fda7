"""What every test may stand on: real servers, started once for each pytest process, and a fresh database each."""

from collections.abc import AsyncIterator

import hypothesis
import pytest
import structlog

from db.engine import Database
from db.migrate import upgrade
from devstack.servers import Servers, servers
from settings import Settings
from tests.support.databases import fresh_database, settings_for
from tests.support.scratch import scratch_folder

# How long an example takes is a matter of who else uses the machine.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")

# What structlog does with an exception when nobody configures it takes seconds, which a test of time limits notices.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Servers]:
    """PostgreSQL and Temporal; the database `gleaner` is migrated and serves as the template of the tests' own."""
    with scratch_folder() as folder:
        async with servers(folder) as running:
            await upgrade(running.dsn)
            yield running


@pytest.fixture
async def dsn(stack: Servers) -> AsyncIterator[str]:
    """The DSN of a fresh, migrated database."""
    async with fresh_database(stack.dsn) as dsn:
        yield dsn


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
    return settings_for(stack, dsn)
