"""The model's stand-in in a process of its own, so that it takes no time from whom it answers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.support.model_script import Stats
from tests.support.service import ROOT


@dataclass(frozen=True)
class Model:
    """A running stand-in."""

    url: str
    _http: httpx.AsyncClient

    @property
    def base_url(self) -> str:
        """What a client of Chat Completions gets."""
        return f"{self.url}/v1"

    async def begin(self, *, latency: float) -> None:
        """Count from zero, and answer after so many seconds."""
        # The prompts would be kept and sent with every look at the counters.
        reply = await self._http.post("/control", json={"latency": latency, "record_prompts": False})
        reply.raise_for_status()

    async def stats(self) -> Stats:
        reply = await self._http.get("/stats")
        return Stats(**reply.raise_for_status().json())


@asynccontextmanager
async def model_process() -> AsyncIterator[Model]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.model_server", "--port", "0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            word, url = (await process.stdout.readline()).decode().split()
        assert word == "ready"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            yield Model(url, http)
    finally:
        process.kill()
        await process.wait()
