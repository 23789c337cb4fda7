"""Keeps the parts of a stack running, and ends them in their order."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, Signals, getsignal

from devstack.child import tail
from devstack.data_dir import DataDir
from devstack.errors import StackError
from devstack.part import Part
from devstack.watchdog import Watchdog

_NOTICE_SECONDS = 30.0
_WATCHDOG_CHECK_SECONDS = 1.0

Announce = Callable[[str], None]


class Supervisor:
    """Starts parts and starts them again when they die, until a signal, an error or `finish` ends it.

    `on_restart` is called whenever a part has got a new process.
    """

    def __init__(
        self, data_dir: DataDir, watchdog: Watchdog, *, announce: Announce, on_restart: Callable[[], None]
    ) -> None:
        self._data_dir = data_dir
        self._watchdog = watchdog
        self._announce = announce
        self._on_restart = on_restart
        self._parts: list[Part] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pids(self) -> dict[str, int]:
        """The process of every part that was started."""
        return {part.name: part.pid for part in self._parts if part.pid is not None}

    async def run(self, life: Coroutine[None, None, int | None]) -> int:
        """Let `life` start parts and do its work; its result, if it is a number, or 0 after SIGINT, SIGTERM or SIGHUP.

        Whatever the end, all parts are stopped, the last started first. Raises what `life` raises, and StackError
        `part_failed` when a part can't be kept running.
        """
        loop = asyncio.get_running_loop()
        # nohup has SIGHUP ignored, and means it
        numbers = [SIGINT, SIGTERM] + ([] if getsignal(SIGHUP) is SIG_IGN else [SIGHUP])
        for number in numbers:
            loop.add_signal_handler(number, self._interrupt, number)
        try:
            self._spawn(self._live(life))
            self._spawn(self._keep_watchdog())
            return await self._outcome
        finally:
            await self._end()
            for number in numbers:
                loop.remove_signal_handler(number)

    def keep(self, part: Part) -> None:
        """Run this part from now on."""
        self._parts.append(part)
        self._spawn(self._keep(part))

    async def until_ready(self, *parts: Part) -> None:
        """Wait until all these parts answer."""
        for part in parts:
            while not part.ready.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_NOTICE_SECONDS):
                        await part.ready.wait()
                        break
                self._announce(f"still waiting for {part.name}, see {self._data_dir.log(part.name)}")

    async def _live(self, life: Coroutine[None, None, int | None]) -> None:
        result = await life
        if result is not None:
            self._finish(result)

    async def _keep(self, part: Part) -> None:
        await part.start()
        while True:
            status = await part.live()
            if part.hopeless:
                raise self._failure(part, status)
            await asyncio.sleep(part.pause_seconds)
            pid = await part.start()
            self._on_restart()
            self._announce(f"restarted {part.name} (exit {status}), pid {pid}")

    async def _keep_watchdog(self) -> None:
        while True:
            await asyncio.sleep(_WATCHDOG_CHECK_SECONDS)
            self._watchdog.ensure()

    def _failure(self, part: Part, status: int) -> StackError:
        log = self._data_dir.log(part.name)
        return StackError(
            "part_failed",
            f"{part.name} died three times in a minute without ever being ready (exit {status}); "
            f"the end of {log}:\n{tail(log)}",
        )

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not self._outcome.done():
            self._outcome.set_exception(error)

    def _finish(self, result: int) -> None:
        if not self._outcome.done():
            self._outcome.set_result(result)

    def _interrupt(self, number: Signals) -> None:
        """The first signal asks everything to end, another one doesn't wait for it."""
        if self._outcome.done():
            for part in self._parts:
                part.kill()
            return
        self._announce(f"stopping ({Signals(number).name})")
        self._finish(0)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for part in reversed(self._parts):
            await part.stop()
