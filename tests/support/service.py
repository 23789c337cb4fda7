"""The whole service as a user starts it: `gleaner dev` as a process of its own, and what it answers."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 40.0


@dataclass(frozen=True)
class Service:
    """A running `gleaner dev`."""

    data_dir: Path
    http: httpx.AsyncClient
    process: asyncio.subprocess.Process

    @property
    def stack(self) -> dict[str, Any]:
        """`stack.json` as it is now."""
        described: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        return described

    @property
    def socket_url(self) -> str:
        return str(self.stack["api"]).replace("http", "ws", 1) + "/ws"

    def log(self, part: str) -> str:
        return (self.data_dir / "logs" / f"{part}.log").read_text()

    async def kill(self, part: str) -> None:
        """Kill -9, and wait until the supervisor has started the part again."""
        pid = self.stack["pids"][part]
        os.kill(pid, signal.SIGKILL)

        async def restarted() -> bool:
            return bool(self.stack["pids"].get(part, pid) != pid)

        await until(restarted)

    async def get(self, path: str, **query: Any) -> Any:
        reply = await self.http.get(path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        reply = await self.http.post(path, json={} if body is None else body)
        assert reply.status_code == status, reply.text
        return reply.json()

    async def run_until(self, run_id: str, *wanted: str) -> dict[str, Any]:
        """The run as soon as it is in one of these states; a restarting API is waited for."""

        async def look() -> dict[str, Any]:
            try:
                reply = await self.http.get(f"/analysis/runs/{run_id}")
            except httpx.TransportError:
                return {"status": None}
            return dict(reply.json()) if reply.status_code == 200 else {"status": None}

        return await until(look, lambda run: run["status"] in wanted, seconds=240)


@asynccontextmanager
async def serving(
    data_dir: Path, *options: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Service]:
    """`gleaner dev` on free ports until the block ends; it must then stop by itself, with exit code 0."""
    ports = ("--api-port", "0", "--temporal-port", "0", "--ui-port", "0")
    process = await gleaner("dev", "--data-dir", str(data_dir), *ports, *options, environment=environment)
    assert process.stdout is not None
    try:
        await asyncio.wait_for(_ready(process.stdout), START_SECONDS)
        drain = asyncio.create_task(_drain(process.stdout))
        base = json.loads((data_dir / "stack.json").read_text())["api"]
        async with httpx.AsyncClient(base_url=f"{base}/api/v1", timeout=30, trust_env=False) as http:
            yield Service(data_dir, http, process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), STOP_SECONDS)
    await drain
    assert code == 0


async def gleaner(*arguments: str, environment: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    """The `gleaner` command as a process whose standard output is read."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "cli.py"),
        *arguments,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def output_of(arguments: Sequence[str], environment: Mapping[str, str] | None = None, *, status: int = 0) -> str:
    """What a command prints until it ends with this status."""
    process = await gleaner(*arguments, environment=environment)
    printed, _ = await process.communicate()
    assert process.returncode == status, printed.decode()
    return printed.decode()


async def _ready(stdout: asyncio.StreamReader) -> None:
    seen = []
    while line := await stdout.readline():
        seen.append(line.decode())
        if line.startswith(b"ready "):
            return
    raise AssertionError("".join(seen))


async def _drain(stdout: asyncio.StreamReader) -> None:
    while await stdout.readline():
        pass
