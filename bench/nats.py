"""A NATS server for the peers that need one."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from devstack.ports import HOST, Ports
from tests.support.waiting import until

_UNPACKED = Path(__file__).parent / ".cache/usr/sbin/nats-server"


@dataclass(frozen=True)
class Nats:
    url: str
    _monitor: str

    async def subscribed(self, subject: str) -> bool:
        """Whether anybody listens there: who publishes to nobody on core NATS loses what was published."""
        async with httpx.AsyncClient(base_url=self._monitor, trust_env=False) as http:
            try:
                reply = await http.get("/connz", params={"subs": "true"})
            except httpx.TransportError:
                return False
        return f'"{subject}"' in reply.text


def nats_binary() -> str | None:
    """The server on the PATH, else the one that `make bench` unpacks."""
    return shutil.which("nats-server") or (str(_UNPACKED) if _UNPACKED.exists() else None)


@asynccontextmanager
async def nats_server() -> AsyncIterator[Nats]:
    """A server with JetStream and nothing stored."""
    binary, ports = nats_binary(), Ports()
    assert binary is not None
    port, monitor = ports.free(), ports.free()
    with tempfile.TemporaryDirectory(prefix="gleaner-nats-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(binary, "--jetstream", "--store_dir", folder, "--addr", HOST),
            *("--port", str(port), "--http_port", str(monitor)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            nats = Nats(f"nats://{HOST}:{port}", f"http://{HOST}:{monitor}")
            await until(lambda: _answers(port))
            yield nats
        finally:
            process.kill()
            await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True
