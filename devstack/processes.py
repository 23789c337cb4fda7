"""What runs on this machine, as far as a stack must know it: is a process, or a group of them, still there?

Reads `/proc`. Where there is none (macOS), it asks by signal 0 and can't find processes by their title.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_DEAD = "ZX"
_HAS_PROC = (_PROC / "self/stat").exists()


def known() -> bool:
    """Whether this machine lets processes be looked at."""
    return _HAS_PROC


def alive(pid: int) -> bool:
    """Whether process `pid` runs. One that ended and waits for its parent to notice doesn't."""
    if _HAS_PROC:
        return (stat := _stat(pid)) is not None and stat[0] not in _DEAD
    return _answers(os.kill, pid)


def group_alive(group: int) -> bool:
    """Whether any process of the process group `group` runs."""
    if not _answers(os.killpg, group):
        return False
    if not _HAS_PROC:
        return True
    return any(stat[2] == str(group) and stat[0] not in _DEAD for pid in _pids() if (stat := _stat(pid)))


def cluster_members(cluster: str) -> list[int]:
    """The server processes of the PostgreSQL whose `cluster_name` is `cluster`, its orphans included."""
    return [pid for pid in _pids() if _is_member(pid, cluster)] if _HAS_PROC else []


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal; nothing happens if the process is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_group(group: int) -> None:
    """End every process of a group at once; nothing happens if it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _answers(send: Callable[[int, int], None], target: int) -> bool:
    try:
        send(target, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir(_PROC) if entry.isdecimal())


def _stat(pid: int) -> list[str] | None:
    """The fields of `/proc/PID/stat` after the program's name: state, parent, group, …"""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None


def _is_member(pid: int, cluster: str) -> bool:
    """PostgreSQL writes `postgres: CLUSTER: …` over the arguments of every process but the first.

    One that is just ending has no arguments any more: it counts too, for it may still hold what the next one needs.
    """
    try:
        first, *others = (_PROC / str(pid) / "cmdline").read_text(errors="replace").split("\0")
        name = (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return False
    if not first:
        return name == "postgres" and alive(pid)
    return first.startswith(f"postgres: {cluster}: ") or (
        first.endswith("postgres") and f"cluster_name={cluster}" in others
    )
