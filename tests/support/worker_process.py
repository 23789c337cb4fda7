"""A worker as a process of its own, that can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from settings import Settings

_ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """A running `gleaner worker`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return await self._process.wait()

    async def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def peak_kilobytes(self) -> int:
        """The most memory that it has had at any one time."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@asynccontextmanager
async def worker_process(settings: Settings, *roles: str) -> AsyncIterator[WorkerProcess]:
    """A worker process with these settings and (default: all) roles; it is killed at the end."""
    chosen = settings.model_copy(update={"worker_roles": list(roles)} if roles else {})
    # Its log must not fill a pipe that nobody reads.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_ROOT / "cli.py"),
        "worker",
        cwd=_ROOT,
        env={**os.environ, **environment_of(chosen)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    worker = WorkerProcess(process)
    try:
        yield worker
    finally:
        await worker.kill()


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment variables from which a process reads these settings."""
    assert settings.secret_key is not None
    return {
        "GLEANER_DATABASE_URL": settings.database_url.get_secret_value(),
        "GLEANER_TEMPORAL_ADDRESS": settings.temporal_address,
        "GLEANER_SECRET_KEY": settings.secret_key.get_secret_value(),
        "GLEANER_ALLOW_PRIVATE_TARGETS": "true",
        "GLEANER_SWEEP_SECONDS": str(settings.sweep_seconds),
        "GLEANER_EMBEDDINGS": settings.embeddings,
        "GLEANER_WORKER_SHUTDOWN_SECONDS": str(settings.worker_shutdown_seconds),
        "GLEANER_GROUP_FROM": str(settings.group_from),
        "GLEANER_WORKER_ROLES": "[" + ", ".join(f'"{role}"' for role in settings.worker_roles) + "]",
    }
