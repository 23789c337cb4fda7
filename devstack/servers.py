"""PostgreSQL and Temporal alone, for tests: `async with servers(folder) as running: …`"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack.child import Child, tail
from devstack.data_dir import DataDir
from devstack.errors import StackError
from devstack.ports import Ports
from devstack.postgres import prepare_postgres
from devstack.temporal import Temporal
from devstack.watchdog import Watchdog

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Servers:
    """Where the two answer."""

    dsn: str
    """`postgresql://user:password@host:port/gleaner`; the user is a superuser."""
    temporal_address: str
    ui_url: str


@contextlib.asynccontextmanager
async def servers(folder: Path, *, fsync: bool = False) -> AsyncIterator[Servers]:
    """Run both servers with their data in `folder`; they end with the block, or with this process if it is killed.

    They are ended at once, not asked to; their data is whole all the same. Takes about 2 s in a new folder.
    """
    data_dir = DataDir.open(folder)
    ports = Ports()
    postgres = prepare_postgres(data_dir, ports.free(), fsync=fsync)
    temporal = Temporal(ports.free(), ports.free())
    async with data_dir.held() as lock, contextlib.AsyncExitStack() as stack:
        watchdog = Watchdog(lock=lock, stale=data_dir.description)
        stack.callback(watchdog.close)
        temporal_child = await Child.start(temporal.command(data_dir, os.environ), watchdog)
        stack.push_async_callback(_end, temporal_child)
        await postgres.set_up(os.environ, watchdog)
        postgres_child = await Child.start(postgres.command(os.environ), watchdog)
        stack.push_async_callback(_end, postgres_child)
        await asyncio.gather(
            _until_ready(postgres_child, postgres.answers), _until_ready(temporal_child, temporal.answers)
        )
        yield Servers(postgres.dsn, temporal.address, temporal.ui_url)


@contextlib.contextmanager
def blocking_servers(folder: Path, *, fsync: bool = False) -> Iterator[Servers]:
    """`servers` for callers without an event loop."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        context = servers(folder, fsync=fsync)
        running = runner.run(context.__aenter__())
        try:
            yield running
        finally:
            runner.run(context.__aexit__(None, None, None))


async def _until_ready(child: Child, answers: Callable[[], Awaitable[bool]]) -> None:
    while not await answers():
        if not child.running:
            log = child.command.log
            raise StackError("part_failed", f"{child.command.name} ended; the end of {log}:\n{tail(log)}")
        await asyncio.sleep(_POLL_SECONDS)


async def _end(child: Child) -> None:
    child.kill()
    await child.wait()
