"""`python -m bench.http_api`: requests a second of two endpoints, over FastAPI and asyncpg alone.

The bare application (`bench.bare_api`) gives the same JSON with one query; it knows no keys, no problems and no request
ids. Both are asked in turn by the same client (`bench.http_load`), each in a process of its own.
"""

import asyncio
import json
import statistics
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from bench.alone import run_alone
from bench.api_process import api_process, free_ports, process
from bench.cpu import cpu_seconds
from bench.meters import child_of_ours
from bench.rows import Row
from bench.stage import stage
from db import keys
from tests.replay.scene import Scene, scene

SHARE = 0.5
CONNECTIONS = 8
RUNS = 200


@dataclass(frozen=True)
class Size:
    seconds: float = 4.0
    rounds: int = 5


FULL = Size()
QUICK = Size(seconds=0.4, rounds=6)


@dataclass(frozen=True)
class Target:
    port: int
    headers: dict[str, str]
    pids: tuple[int, ...]
    """Of those that work on its requests, PostgreSQL among them."""


@dataclass(frozen=True)
class Pair:
    """Requests a second of Gleaner and of the bare application in each round, how busy the client was, and how much
    processor time a request of Gleaner took over a bare one's."""

    ours: list[float]
    bare: list[float]
    client_busy: float
    cpu: float

    @property
    def share(self) -> float:
        return statistics.median(mine / other for mine, other in zip(self.ours, self.bare, strict=True))

    def figures(self) -> dict[str, object]:
        return {
            "gleaner_requests_a_second": [round(one) for one in self.ours],
            "bare_requests_a_second": [round(one) for one in self.bare],
            "share": round(self.share, 3),
            "client_busy_at_most": round(self.client_busy, 2),
            "cpu_over_bare": round(self.cpu, 3),
        }


async def measure(*, quick: bool = False) -> Row:
    size = QUICK if quick else FULL
    async with stage() as servers, scene(servers) as played:
        one, many = await _play(played, size)
    return Row(
        number=9,
        what="requests a second of one run and of a list of 50, over bare FastAPI and asyncpg",
        measured=f"{one.share:.2f} and {many.share:.2f} ×",
        goal=f"≥ {SHARE} ×",
        met=min(one.share, many.share) >= SHARE,
        ratios={"CPU of one run's request over a bare one's": one.cpu, "CPU of a list's over a bare one's": many.cpu},
        figures={"get_run": one.figures(), "list_runs": many.figures(), "connections": CONNECTIONS},
    )


async def _play(played: Scene, size: Size) -> tuple[Pair, Pair]:
    run_id, key = await _filled(played)
    port, bare_port = free_ports(2)
    dsn = played.operator.database.dsn
    async with AsyncExitStack() as stack:
        strict = played.settings.model_copy(update={"auth": "required"})
        await stack.enter_async_context(api_process(strict, port))
        bare = await stack.enter_async_context(process("-m", "bench.bare_api", str(bare_port), dsn))
        assert bare.stdout is not None
        await bare.stdout.readline()
        client = await stack.enter_async_context(process("-m", "bench.http_load", str(CONNECTIONS)))
        postgres = child_of_ours("postgres", "cluster_name=")
        targets = (
            Target(port, {"authorization": f"Bearer {key}"}, (child_of_ours("cli.py", "serve"), postgres)),
            Target(bare_port, {}, (bare.pid, postgres)),
        )
        paths = (f"/api/v1/analysis/runs/{run_id}", "/api/v1/analysis/runs?limit=50")
        one, many = [await _pair(client, targets, path, size) for path in paths]
    return one, many


async def _filled(played: Scene) -> tuple[str, str]:
    """The id of one of many runs, and a key."""
    operator = played.operator
    assignment = await operator.assignment(played.model.base_url)
    made = [await operator.pending_run(assignment, day=31 * at) for at in range(RUNS)]
    async with operator.database.transaction() as session:
        key = await keys.create(session, "bench", ["read"])
    return str(made[0]), key.secret


async def _pair(client: asyncio.subprocess.Process, targets: tuple[Target, Target], path: str, size: Size) -> Pair:
    found: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    busy = []
    for _ in range(size.rounds):
        for target, paces, cost in zip(targets, found, costs, strict=True):
            used = cpu_seconds(*target.pids)
            said = await _asked(client, target, path, size.seconds)
            cost.append((cpu_seconds(*target.pids) - used) / said["requests"])
            paces.append(said["requests"] / said["seconds"])
            busy.append(said["busy"])
    ours, bare = map(statistics.median, costs)
    return Pair(*found, client_busy=max(busy), cpu=ours / bare)


async def _asked(client: asyncio.subprocess.Process, target: Target, path: str, seconds: float) -> dict[str, Any]:
    order = {"host": "127.0.0.1", "port": target.port, "path": path, "headers": target.headers, "seconds": seconds}
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(json.dumps(order).encode() + b"\n")
    said: dict[str, Any] = json.loads(await client.stdout.readline())
    return said


if __name__ == "__main__":
    run_alone("http_api", measure)
