"""A worker beside the stack's own, whose connections go through proxies."""

import asyncio
import os
import signal
import sys
from urllib.parse import urlsplit

from tests.support.proxy import Proxy
from tests.support.service import ROOT, Service

SECRET = "a secret of the chaos"


class SecondWorker:
    """Started again by `start` after it died; the stack's supervisor knows nothing of it."""

    def __init__(self, service: Service) -> None:
        self._stack = service.stack
        self.database = Proxy(urlsplit(self._stack["postgres"]).port or 5432)
        self.temporal = Proxy(int(self._stack["temporal"].rpartition(":")[2]))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        if not self.database.port:
            await self.database.up()
            await self.temporal.up()
        address = urlsplit(self._stack["postgres"])
        dsn = address._replace(netloc=address.netloc.replace(f":{address.port}", f":{self.database.port}")).geturl()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "cli.py"),
            "worker",
            cwd=ROOT,
            env={
                **os.environ,
                "GLEANER_DATABASE_URL": dsn,
                "GLEANER_TEMPORAL_ADDRESS": f"127.0.0.1:{self.temporal.port}",
                "GLEANER_SECRET_KEY": SECRET,
                "GLEANER_ALLOW_PRIVATE_TARGETS": "true",
                "GLEANER_SWEEP_SECONDS": "0",
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def again(self) -> None:
        """Wait for its end, and start it again."""
        assert self._process is not None
        await asyncio.wait_for(self._process.wait(), 60)
        await self.start()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self.database.down()
        await self.temporal.down()
