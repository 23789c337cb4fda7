"""The API of each test."""

from collections.abc import AsyncIterator

import pytest

from settings import Settings
from tests.support.api import ServedApi, serve_api


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[ServedApi]:
    """The API without keys, on a fresh database."""
    async with serve_api(settings) as served:
        yield served
