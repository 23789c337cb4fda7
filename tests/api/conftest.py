"""The API of each test."""

from collections.abc import AsyncIterator

import pytest

from api import health, hub
from settings import Settings
from tests.support.api import ServedApi, serve_api


@pytest.fixture
async def api(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApi]:
    """The API without keys, on a fresh database. It waits for a machine that stands still."""
    monkeypatch.setattr(health, "PART_SECONDS", 60.0)
    monkeypatch.setattr(hub, "LEVEL_SECONDS", 60.0)
    async with serve_api(settings) as served:
        yield served
