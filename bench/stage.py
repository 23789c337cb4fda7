"""Where a benchmark plays: real servers in a folder that is taken away afterwards."""

import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from db.migrate import upgrade
from devstack.servers import Servers, servers


@asynccontextmanager
async def stage() -> AsyncIterator[Servers]:
    """PostgreSQL, migrated, which writes to disk before it confirms as in production, and Temporal, while the block
    runs."""
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
        async with servers(Path(folder), fsync=True) as running:
            await upgrade(running.dsn)
            yield running


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
