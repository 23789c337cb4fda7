"""Runs whose events a test makes itself, and readers of what the API tells of them."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from db import runs
from db.defaults import ensure_offline_assignment
from db.engine import Database
from models.run import AnalysisRun

Event = dict[str, Any]

PATIENCE_SECONDS = 20.0
_START = datetime(2026, 3, 1, tzinfo=UTC)
_days = itertools.count()


async def make_run(database: Database) -> UUID:
    """A pending run over a day of its own. Its event 1 is `run_created`."""
    start = _START + timedelta(days=next(_days))
    run = AnalysisRun(
        time_window_start=start,
        time_window_end=start + timedelta(days=1),
        agent_assignment_id=await ensure_offline_assignment(database),
    )
    return (await runs.create(database, run)).id


async def record(database: Database, run_id: UUID, *events: str, data: Event | None = None) -> int:
    """Record these events in one transaction; the number of the last."""
    async with runs.locked(database, run_id) as held:
        for event in events:
            await held.record(event, data or {})
        return held.run.last_seq


async def record_one_by_one(database: Database, run_id: UUID, count: int) -> None:
    """So many events, each in a transaction of its own."""
    for _ in range(count):
        await record(database, run_id, "progress_updated")


@asynccontextmanager
async def listening(
    url: str, *, key: str | None = None, origin: str | None = None, **query: object
) -> AsyncIterator["Listener"]:
    """A WebSocket client while the block runs."""
    address = str(httpx.URL(url).copy_merge_params({name: str(value) for name, value in query.items()}))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if origin is not None:
        headers["Origin"] = origin
    async with websockets.connect(address, proxy=None, additional_headers=headers) as socket:
        yield Listener(socket)


class Listener:
    """A WebSocket client, and what it heard."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self) -> Event:
        message = await asyncio.wait_for(self.socket.recv(), PATIENCE_SECONDS)
        heard: Event = json.loads(message)
        return heard

    async def take(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def until_seq(self, run_id: UUID, seq: int) -> list[Event]:
        """Everything up to this event of the run."""
        heard: list[Event] = []
        while not heard or (heard[-1]["run_id"], heard[-1]["seq"]) != (str(run_id), seq):
            heard.append(await self.next())
        return heard

    async def say(self, action: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"action": action} | fields, default=str))

    async def barrier(self) -> list[Event]:
        """What was heard until the service has understood everything that was said before."""
        await self.say("ping")
        heard: list[Event] = []
        while (message := await self.next())["event"] != "pong":
            heard.append(message)
        return heard

    async def closed(self) -> int:
        """The code with which the service closes the connection."""
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(self._read_all(), PATIENCE_SECONDS)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code

    async def _read_all(self) -> None:
        while True:
            await self.socket.recv()


def numbers(events: list[Event], run_id: UUID) -> list[int]:
    """The numbers of the run's events, in the order heard."""
    return [event["seq"] for event in events if event["run_id"] == str(run_id) and event["seq"] is not None]


def names(events: list[Event]) -> list[str]:
    return [event["event"] for event in events]


class SseReader:
    """Server-Sent Events as a browser's EventSource understands them."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments = 0

    async def __aiter__(self) -> AsyncIterator[tuple[str, str, Event]]:
        """(id, event, data) of each, until the service ends the stream."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
                fields = {}
            elif not name.rstrip(":"):
                self.comments += 1
            elif line:
                fields[name] = value
