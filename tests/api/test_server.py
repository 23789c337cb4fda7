"""The process that serves the API: what it refuses, and how it ends."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import websockets

from db import keys
from db.engine import Database
from devstack.ports import Ports
from settings import Settings
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


@dataclass
class Process:
    """`gleaner serve` as a process of its own."""

    url: str
    process: asyncio.subprocess.Process

    async def ended(self) -> tuple[int, str]:
        """Its exit code and everything that it wrote."""
        output, _ = await asyncio.wait_for(self.process.communicate(), 20)
        assert self.process.returncode is not None
        return self.process.returncode, output.decode()


@asynccontextmanager
async def process(settings: Settings, **environment: str) -> AsyncIterator[Process]:
    # Not a port that the system gives to anybody who asks: until the process has it, another test's API could.
    port = Ports().free()
    given = {
        "GLEANER_DATABASE_URL": settings.database_url.get_secret_value(),
        "GLEANER_TEMPORAL_ADDRESS": settings.temporal_address,
        "GLEANER_API_PORT": str(port),
        **environment,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GLEANER_")}
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "cli.py"),
        "serve",
        env={**clean, **given},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Process(f"http://127.0.0.1:{port}", started)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def answering(served: Process) -> bool:
    assert served.process.returncode is None, (await served.ended())[1]
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{served.url}/api/v1/health/live")).status_code == 200
        except httpx.TransportError:
            return False


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"GLEANER_AUTH": "off", "GLEANER_API_HOST": "0.0.0.0"}, "GLEANER_AUTH=off"),
        ({}, "GLEANER_SECRET_KEY"),
    ],
)
async def test_settings_that_are_not_safe_are_refused_with_exit_code_2(
    settings: Settings, environment: dict[str, str], named: str
) -> None:
    async with process(settings, **environment) as served:
        code, output = await served.ended()
    assert code == 2
    assert named in output
    assert "Traceback" not in output


async def test_an_address_that_is_taken_is_a_failure_with_exit_code_1(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with process(settings, GLEANER_AUTH="off", GLEANER_API_PORT=port) as served:
            code, output = await served.ended()
    assert code == 1
    assert "address already in use" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_at_once_when_told_to_though_streams_are_open(
    settings: Settings, database: Database, number: signal.Signals
) -> None:
    async with database.transaction() as session:
        secret = (await keys.create(session, "watcher", ["read"])).secret
    headers = {"Authorization": f"Bearer {secret}"}
    async with process(settings, GLEANER_SECRET_KEY="a secret of the tests") as served:
        await until(lambda: answering(served))
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            token = (await client.post(f"{served.url}/api/v1/ws-tokens")).json()["token"]
        address = f"{served.url.replace('http', 'ws', 1)}/ws?token={token}"
        async with websockets.connect(address, proxy=None) as heard:
            served.process.send_signal(number)
            await heard.wait_closed()
            code, output = await served.ended()
    assert code == 0, output
    assert "graceful shutdown exceeded" not in output
    assert "Traceback" not in output
    assert token not in output
    assert secret not in output
    assert "POST /api/v1/ws-tokens" in output
