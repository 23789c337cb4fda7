"""A part of the stack over all its lives: what runs it, whether it answers, how often it died."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from devstack.child import Child, Command
from devstack.watchdog import Watchdog

_POLL_SECONDS = 0.05
_WINDOW_SECONDS = 60.0
_DEATHS = 3
_PAUSES = (0.0, 0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds before the next start, by the number of starts in a row that came to nothing."""


@dataclass(frozen=True)
class PartSpec:
    """What a part is."""

    name: str
    command: Callable[[], Command]
    """Asked before every start."""
    answers: Callable[[], Awaitable[bool]]
    """Whether it does its work now."""
    needs: tuple["Part", ...] = ()


class Part:
    """A part that is kept running.

    `ready` is set while it runs and has answered since it was started.
    """

    def __init__(self, spec: PartSpec, watchdog: Watchdog) -> None:
        self.name = spec.name
        self.ready = asyncio.Event()
        self._spec = spec
        self._watchdog = watchdog
        self._child: Child | None = None
        self._was_ever_ready = False
        self._early_deaths: list[float] = []
        self._failed_starts = 0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def hopeless(self) -> bool:
        """Whether it died three times in a minute with all that it needs ready, and never was ready itself."""
        return not self._was_ever_ready and len(self._early_deaths) >= _DEATHS

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next start."""
        return _PAUSES[min(self._failed_starts, len(_PAUSES) - 1)]

    async def start(self) -> int:
        """Start it; gives the process id."""
        self._child = await Child.start(self._spec.command(), self._watchdog)
        return self._child.pid

    async def live(self) -> int:
        """Wait for its death, and for the end of everything that it left. Gives the exit status."""
        assert self._child is not None
        watching = asyncio.create_task(self._watch())
        try:
            status = await self._child.wait()
        finally:
            watching.cancel()
        self._note_death()
        return status

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def _watch(self) -> None:
        while not await self._spec.answers():  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
        self.ready.set()
        self._was_ever_ready = True

    def _note_death(self) -> None:
        self._failed_starts = 0 if self.ready.is_set() else self._failed_starts + 1
        self.ready.clear()
        now = time.monotonic()
        self._early_deaths = [at for at in self._early_deaths if now - at < _WINDOW_SECONDS]
        if all(needed.ready.is_set() for needed in self._spec.needs):
            self._early_deaths.append(now)
