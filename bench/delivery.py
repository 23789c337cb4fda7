"""`python -m bench.delivery`: how soon an event is with 500 WebSocket clients of two API processes.

In turn with a server of nothing but `websockets` (`bench.broadcast`) that sends messages of the same bytes to as many
clients. All clients are in a process of their own (`bench.listeners`); the delay is from before the commit, or from
before the broadcast, to the arrival, by the machine's one monotonic clock.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from bench.alone import run_alone
from bench.api_process import api_process, free_ports, process
from bench.rows import Row
from bench.stage import percentile, stage
from db import outbox, runs
from db.engine import Database
from devstack.servers import Servers
from tests.support.databases import settings_for
from tests.support.events import make_run

P99_MILLISECONDS = 250.0
EVENTS_A_SECOND = 10
API_PROCESSES = 2


@dataclass(frozen=True)
class Size:
    clients: int = 500
    events: int = 100
    rounds: int = 5


FULL = Size()
QUICK = Size(clients=50, events=20, rounds=1)


@dataclass(frozen=True)
class Delays:
    """Milliseconds of all arrivals at all clients; `lost` arrivals never came."""

    milliseconds: list[float]
    lost: int

    def figures(self) -> dict[str, object]:
        return {
            "p50_ms": round(percentile(self.milliseconds, 50), 2),
            "p99_ms": round(percentile(self.milliseconds, 99), 2),
            "max_ms": round(max(self.milliseconds), 2),
            "arrivals": len(self.milliseconds),
            "lost": self.lost,
        }


async def measure(*, quick: bool = False) -> Row:
    size = QUICK if quick else FULL
    async with stage() as servers:
        ours, bare = await _in_turn(servers, size)
    told, broadcast = _together(ours), _together(bare)
    p50, p99 = percentile(told.milliseconds, 50), percentile(told.milliseconds, 99)
    bare_p50, bare_p99 = percentile(broadcast.milliseconds, 50), percentile(broadcast.milliseconds, 99)
    return Row(
        number=8,
        what=f"{EVENTS_A_SECOND} events a second to {size.clients} WebSocket clients on {API_PROCESSES} API processes",
        measured=(
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {told.lost} lost; "
            f"bare websockets {bare_p50:.0f} and {bare_p99:.0f} ms"
        ),
        goal=f"p99 ≤ {P99_MILLISECONDS:.0f} ms, none lost",
        met=p99 <= P99_MILLISECONDS and not told.lost,
        figures={
            "gleaner": told.figures(),
            "bare": broadcast.figures(),
            "p50_over_bare": round(p50 / bare_p50, 2),
            "p99_over_bare": round(p99 / bare_p99, 2),
            "rounds": [
                {"gleaner": one.figures(), "bare": other.figures()} for one, other in zip(ours, bare, strict=True)
            ],
        },
    )


def _together(rounds: list[Delays]) -> Delays:
    return Delays([one for part in rounds for one in part.milliseconds], sum(part.lost for part in rounds))


async def _in_turn(servers: Servers, size: Size) -> tuple[list[Delays], list[Delays]]:
    *ports, bare_port = free_ports(API_PROCESSES + 1)
    settings = settings_for(servers, servers.dsn)
    ours, bare = [], []
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(api_process(settings, port)) for port in ports]
        sockets = [url.replace("http", "ws", 1) + "/ws" for url in urls]
        database = await stack.enter_async_context(Database(servers.dsn))
        caster = await stack.enter_async_context(process("-m", "bench.broadcast", str(bare_port)))
        assert caster.stdout is not None
        await caster.stdout.readline()
        run_id = await make_run(database)
        for _ in range(size.rounds):
            ours.append(await _heard(sockets, size, partial(_write, database, run_id)))
            cast = partial(_cast, caster, await _shape(database, run_id))
            bare.append(await _heard([f"ws://127.0.0.1:{bare_port}"], size, cast))
    return ours, bare


async def _heard(urls: list[str], size: Size, send: Callable[[], Awaitable[None]]) -> Delays:
    """What the clients heard of events, each of which `send` sends."""
    arguments = ("-m", "bench.listeners", str(size.clients), str(size.events), *urls)
    async with process(*arguments) as listeners:
        assert listeners.stdout is not None
        assert await listeners.stdout.readline() == b"ready\n"
        begin = time.monotonic()
        for number in range(size.events):
            await asyncio.sleep(max(0.0, begin + number / EVENTS_A_SECOND - time.monotonic()))
            await send()
        reported = json.loads(await listeners.stdout.readline())
    return Delays(reported, size.clients * size.events - len(reported))


async def _write(database: Database, run_id: UUID) -> None:
    """One event in a transaction of its own, which says when it is about to be committed."""
    async with runs.locked(database, run_id) as held:
        await held.record("progress_updated", {**_DATA, "run_id": str(run_id), "sent": time.monotonic()})


_DATA = {"current_batch": 3, "total_batches": 8, "progress_percent": 37}


async def _shape(database: Database, run_id: UUID) -> dict[str, object]:
    """What the API says of the run's last event."""
    async with database.transaction() as session:
        run = await runs.get(session, run_id)
        [row] = await outbox.events_after(session, run_id, run.last_seq - 1, 1)
    return {"event": row.event, "data": row.data, "run_id": str(row.run_id), "seq": row.seq, "at": row.at.isoformat()}


async def _cast(caster: asyncio.subprocess.Process, shape: dict[str, Any]) -> None:
    shape["data"] = {**shape["data"], "sent": time.monotonic()}
    assert caster.stdin is not None
    caster.stdin.write(json.dumps(shape, separators=(",", ":")).encode() + b"\n")
    await caster.stdin.drain()


if __name__ == "__main__":
    run_alone("delivery", measure)
