"""Patience with what has to be stored: what a call has cost, and the answer that is paid for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from db.engine import is_outage
from logs import logger

STORE_PATIENCE_SECONDS = 600.0
"""How long an answer that can't be stored is kept and tried again."""
CANCELLED_PATIENCE_SECONDS = 3.0
"""How long that takes at most once the attempt is cancelled: a worker that stops waits for it."""

_log = logger("gleaner.worker")


async def seen_through(storing: Coroutine[None, None, None]) -> None:
    """Wait for what a call has cost to be stored; cancelling it leaves a little time before it is given up."""
    task = asyncio.create_task(storing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await briefly(task)
        raise


async def briefly(storing: asyncio.Task[None]) -> None:
    """Give it the time that a cancelled attempt still has."""
    await asyncio.wait([storing], timeout=CANCELLED_PATIENCE_SECONDS)
    storing.cancel()


async def until_stored(write: Callable[[], Awaitable[None]]) -> None:
    """Write, trying again for ten minutes while the database is away."""
    loop = asyncio.get_running_loop()
    end = loop.time() + STORE_PATIENCE_SECONDS
    pause = 0.2
    while True:
        try:
            await write()
        except Exception as error:
            if not is_outage(error) or loop.time() >= end:
                raise
            _log.warning("An answer waits to be stored", error=type(error).__name__)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)
