"""A child process of the supervisor: started, logged, stopped, and never left behind."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import BinaryIO

from devstack import processes
from devstack.watchdog import Watchdog

_GATE = 'read -r _ && exec "$@" </dev/null'
"""Waits for a line before it becomes the command, so that no child runs before the watchdog knows it."""
_POLL_SECONDS = 0.02
_CLEARING_SECONDS = 15.0


def _no_processes() -> list[int]:
    return []


@dataclass(frozen=True)
class Command:
    """What to run, and how it ends."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    """The file that its output is appended to."""
    directory: Path | None = None
    """Where it runs, if not here."""
    stop_signal: Signals = Signals.SIGTERM
    stop_seconds: float = 10.0
    """How long it may take to end after `stop_signal` before it is killed."""
    orphan_signal: Signals = Signals.SIGKILL
    """What ends it when the supervisor is gone."""
    strays: Callable[[], list[int]] = _no_processes
    """Finds processes of it that left its process group."""


class Child:
    """A running command, the leader of a session and process group of its own."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process, watchdog: Watchdog) -> None:
        self.command = command
        self.pid = process.pid
        self._process = process
        self._watchdog = watchdog
        self._cleared = False

    @classmethod
    async def start(cls, command: Command, watchdog: Watchdog) -> "Child":
        with _open_log(command.log) as log:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _GATE,
                command.name,
                *command.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=command.environment,
                cwd=command.directory,
                start_new_session=True,
            )
        watchdog.watch(process.pid, command.orphan_signal)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        return cls(command, process, watchdog)

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Its exit status, negative for a signal, once every process that it left is gone too."""
        status = await self._process.wait()
        await self._clear()
        return status

    async def stop(self) -> None:
        """End it and everything that it started, by force once its time is up."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.command.stop_signal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.command.stop_seconds):
                await self._process.wait()
        self.kill()
        await self.wait()

    def kill(self) -> None:
        """End it at once."""
        if not self._cleared:  # else the number may be somebody else's by now
            processes.kill_group(self.pid)

    async def _clear(self) -> None:
        """Kill what the command left behind and wait until it is gone, for at most `_CLEARING_SECONDS`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLEARING_SECONDS):
                await self._clear_all()
        self._cleared = True
        self._watchdog.forget(self.pid)

    async def _clear_all(self) -> None:
        while (strays := self.command.strays()) or processes.group_alive(self.pid):
            processes.kill_group(self.pid)
            for stray in strays:
                processes.kill(stray)
            await asyncio.sleep(_POLL_SECONDS)


def _open_log(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log file, indented; empty if there is none."""
    try:
        text = log.read_bytes()[-20_000:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
