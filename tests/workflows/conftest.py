"""A worker, a model's stand-in, and an operator who runs analyses with them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from api import temporal_gateway
from db.engine import Database
from settings import Settings
from tests.support.model_server import ModelServer
from tests.support.working import Operator, working


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
async def operator(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    """Somebody who makes, starts and steers runs; no worker is there yet. They wait for a Temporal that is slow."""
    monkeypatch.setattr(temporal_gateway, "CALL_SECONDS", 60.0)
    made = Operator(database, settings)
    yield made
    await made.end_workflows()


@pytest.fixture
async def worker(settings: Settings, operator: Operator) -> AsyncIterator[None]:
    async with working(settings):
        yield


@pytest.fixture
def measuring(settings: Settings) -> Settings:
    """The settings of a worker that measures what titles mean."""
    return settings.model_copy(update={"embeddings": "local"})
