"""The API as processes of their own, for benchmarks."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from devstack.ports import HOST, Ports
from devstack.probe import is_ok
from settings import Settings
from tests.support.service import ROOT
from tests.support.waiting import until

START_SECONDS = 60.0


@asynccontextmanager
async def process(
    *arguments: str, environment: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Python with these arguments, its standard output read, until the block ends; then it is killed."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@asynccontextmanager
async def api_process(settings: Settings, port: int) -> AsyncIterator[str]:
    """`gleaner serve` with these settings on this port; its address."""
    assert settings.secret_key is not None
    environment = {
        "GLEANER_DATABASE_URL": settings.database_url.get_secret_value(),
        "GLEANER_TEMPORAL_ADDRESS": settings.temporal_address,
        "GLEANER_TEMPORAL_UI_URL": settings.temporal_ui_url,
        "GLEANER_SECRET_KEY": settings.secret_key.get_secret_value(),
        "GLEANER_AUTH": settings.auth,
        "GLEANER_API_HOST": HOST,
        "GLEANER_API_PORT": str(port),
        "GLEANER_LOG_LEVEL": "WARNING",
    }
    async with process("cli.py", "serve", environment=environment):
        await until(lambda: is_ok(port, "/api/v1/health/live"), seconds=START_SECONDS)
        yield f"http://{HOST}:{port}"


def free_ports(count: int) -> Sequence[int]:
    ports = Ports()
    return [ports.free() for _ in range(count)]
