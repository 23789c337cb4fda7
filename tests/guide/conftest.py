"""One running service for the whole story."""

from collections.abc import AsyncIterator

import pytest

from tests.support.service import Service, serving


@pytest.fixture(scope="package")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """`gleaner dev --no-sample`."""
    async with serving(tmp_path_factory.mktemp("guide") / "data", "--no-sample") as running:
        yield running
