"""How a peer is told what to do: the ids of runs to start, a line each, on its standard input."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from uuid import UUID


async def obey(start: Callable[[UUID], Awaitable[object]]) -> None:
    """Say `ready`, then start each run until the input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await reader.readline():
        await start(UUID(line.decode().strip()))
