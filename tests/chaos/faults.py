"""What is done to a running service."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from tests.chaos.second_worker import SecondWorker
from tests.support.service import Service
from tests.support.waiting import until

PARTS = ("worker", "api", "temporal", "postgres")
RECOVERY_SECONDS = 120.0


@dataclass(frozen=True)
class Fault:
    """`worker` faults may cost the calls that are under way in the worker."""

    name: str
    strike: Callable[["Target"], Awaitable[None]]
    worker: bool = False


@dataclass
class Target:
    """The service under fire, and the chance that decides how long a stop lasts."""

    service: Service
    second: SecondWorker
    chance: random.Random

    def pid(self, part: str) -> int:
        return int(self.service.stack["pids"][part])

    async def replaced(self, part: str, pid: int) -> None:
        async def other() -> bool:
            return bool(self.service.stack["pids"].get(part, pid) != pid)

        await until(other, seconds=RECOVERY_SECONDS)

    async def ready(self) -> None:
        """All parts answer again."""

        async def answers() -> bool:
            try:
                return (await self.service.http.get("/health/ready", timeout=10)).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers, seconds=RECOVERY_SECONDS)


def _signal(part: str, number: signal.Signals) -> Callable[[Target], Awaitable[None]]:
    async def strike(target: Target) -> None:
        pid = target.pid(part)
        os.kill(pid, number)
        await target.replaced(part, pid)

    return strike


def _freeze(part: str) -> Callable[[Target], Awaitable[None]]:
    async def strike(target: Target) -> None:
        pid = target.pid(part)
        os.kill(pid, signal.SIGSTOP)
        try:
            # A fault of a certain length, not a wait for something.
            await asyncio.sleep(target.chance.uniform(1, 6))
        finally:
            os.kill(pid, signal.SIGCONT)

    return strike


def _second(number: signal.Signals) -> Callable[[Target], Awaitable[None]]:
    async def strike(target: Target) -> None:
        target.second.send(number)
        await target.second.again()

    return strike


def _cut(which: str) -> Callable[[Target], Awaitable[None]]:
    async def strike(target: Target) -> None:
        await getattr(target.second, which).cut()

    return strike


def _delay(which: str) -> Callable[[Target], Awaitable[None]]:
    async def strike(target: Target) -> None:
        proxy = getattr(target.second, which)
        proxy.delay_seconds = target.chance.uniform(0.05, 0.5)
        try:
            # A fault of a certain length, not a wait for something.
            await asyncio.sleep(target.chance.uniform(1, 4))
        finally:
            proxy.delay_seconds = 0.0

    return strike


PROCESS_FAULTS = (
    *(Fault(f"kill {part}", _signal(part, signal.SIGKILL), worker=part == "worker") for part in PARTS),
    *(Fault(f"freeze {part}", _freeze(part), worker=part == "worker") for part in PARTS),
    Fault("restart worker", _signal("worker", signal.SIGTERM), worker=True),
    Fault("restart api", _signal("api", signal.SIGTERM)),
    Fault("kill second worker", _second(signal.SIGKILL), worker=True),
    Fault("restart second worker", _second(signal.SIGTERM), worker=True),
)
CONNECTION_FAULTS = tuple(
    Fault(f"{name} {which} of second worker", make(which))
    for name, make in (("cut", _cut), ("delay", _delay))
    for which in ("database", "temporal")
)
