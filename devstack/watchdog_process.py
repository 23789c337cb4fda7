"""The watchdog itself: `python -m devstack.watchdog_process STALE_FILE`, fed by `devstack.watchdog.Watchdog`.

Every line on its input is `PID SIGNAL`: watch this child, or forget it where SIGNAL is 0. The end of the input is the
end of the supervisor. It imports little, for it has to be there at once.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

from devstack import processes

_GRACE_SECONDS = 6.0
"""An immediate shutdown of PostgreSQL waits up to 5 s for its processes."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched = _listen(sys.stdin)
    if watched:
        _end(watched)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(sys.argv[1])


def _listen(lines: Iterable[str]) -> dict[int, int]:
    """What is still watched when the supervisor is gone."""
    watched: dict[int, int] = {}
    for line in lines:
        pid, number = map(int, line.split())
        if number:
            watched[pid] = number
        else:
            watched.pop(pid, None)
    return watched


def _end(watched: dict[int, int]) -> None:
    for pid, number in watched.items():
        processes.kill(pid, number)
    _wait_until(lambda: not any(map(processes.alive, watched)))
    for pid in watched:
        processes.kill_group(pid)
    _wait_until(lambda: not any(map(processes.group_alive, watched)))


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
