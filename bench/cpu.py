"""Seconds of processor time that processes have used, read from `/proc`."""

import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)
"""Where the fields of `/proc/PID/stat` stand after the program's name. The times of children that ended are the last
two of four."""


def processes_named(name: str, *, below: int) -> list[int]:
    """The processes of this program among the descendants of a process."""
    return [pid for pid in descendants(below) if _name(pid) == name]


def descendants(pid: int) -> list[int]:
    parents = {other: int(stat[_PARENT]) for other in _pids() if (stat := _stat(other))}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def cpu_seconds(*pids: int) -> float:
    """Of these processes and of all that they have started."""
    every = {one for pid in pids for one in (pid, *descendants(pid))}
    return sum(sum(map(int, stat[_TIMES])) for pid in every if (stat := _stat(pid))) / _TICKS


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir(_PROC) if entry.isdecimal()]


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
