"""The supervisor's hold on the process that ends its children when it is killed itself."""

import contextlib
import subprocess
import sys
from pathlib import Path
from signal import Signals
from typing import IO

_ROOT = Path(__file__).parent.parent


class Watchdog:
    """A process of its own session that waits for the end of this one.

    It hears over a pipe which children there are; when the pipe ends it signals those still there, ends what is left
    of their process groups, and removes `stale`, a file that describes them. It holds `lock` open until then, so that
    nobody can take the data directory before the last child is gone.
    """

    def __init__(self, *, lock: int, stale: Path) -> None:
        self._lock = lock
        self._stale = stale
        self._watched: dict[int, Signals] = {}
        self._process = self._spawn()

    def watch(self, pid: int, number: Signals) -> None:
        """From now on `pid`, the leader of a process group, gets the signal `number` if this process is killed."""
        self._watched[pid] = number
        self._tell(f"{pid} {number.value}")

    def forget(self, pid: int) -> None:
        """`pid` has ended and nothing of its group is left."""
        self._watched.pop(pid, None)
        self._tell(f"{pid} 0")

    def ensure(self) -> None:
        """Start it again if somebody killed it."""
        if self._process.poll() is None:
            return
        _close(self._process)
        self._process = self._spawn()
        for pid, number in self._watched.items():
            self._tell(f"{pid} {number.value}")

    def close(self) -> None:
        """Let it end; whatever is still watched ends with it."""
        _close(self._process)
        self._process.wait()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "devstack.watchdog_process", str(self._stale)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[self._lock],
            start_new_session=True,
        )

    def _tell(self, line: str) -> None:
        # A watchdog that is gone hears everything from `ensure` when it is back.
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process).write(line.encode() + b"\n")
            _pipe(self._process).flush()


def _pipe(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def _close(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(BrokenPipeError):
        _pipe(process).close()
