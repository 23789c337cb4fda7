"""The places that this worker's calls have at providers, kept for as long as the calls live."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from db import limiter
from db.engine import Database, is_outage
from logs import logger

RENEW_SECONDS = 1.0

_log = logger("gleaner.worker")


class Places:
    """One statement renews all of them, however many there are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holders: set[UUID] = set()
        self._renewing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def kept(self, holder: UUID) -> AsyncIterator[None]:
        """Keep the holder's place while the block runs."""
        self._holders.add(holder)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            self._holders.discard(holder)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not self._holders:
                return
            try:
                async with self._database.connection() as connection:
                    await limiter.renew(connection, list(self._holders))
            except Exception as error:
                if not is_outage(error):
                    _log.error("The places of calls could not be renewed", exc_info=error)
