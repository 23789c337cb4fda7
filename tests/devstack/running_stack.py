"""A stack under test: the program started, watched from outside, and ended whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from devstack import processes

PROGRAM = Path(__file__).with_name("stack_program.py")
ROOT = Path(__file__).parents[2]
_WAIT_SECONDS = 60.0


class Description(TypedDict):
    """What `stack.json` holds."""

    api: str
    temporal: str
    ui: str
    postgres: str
    pids: dict[str, int]


class RunningStack:
    """`stack_program.py` on `data_dir`. Its output is in `output` and `errors`, files beside the data directory."""

    def __init__(self, data_dir: Path, *options: str, prefix: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        self._output = data_dir.with_name(f"{data_dir.name}.out")
        self._errors = data_dir.with_name(f"{data_dir.name}.err")
        with self._output.open("w") as output, self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, str(PROGRAM), str(data_dir), *options],
                stdout=output,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    @property
    def description(self) -> Description:
        description: Description = json.loads((self.data_dir / "stack.json").read_text())
        return description

    def pid(self, part: str) -> int:
        return self.description["pids"][part]

    def until_ready(self) -> Description:
        wait_for(lambda: "ready api=" in self.output or self.process.poll() is not None)
        assert "ready api=" in self.output, self.errors
        return self.description

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; gives the exit code."""
        self.process.send_signal(number)
        return self.process.wait(_WAIT_SECONDS)

    def discard(self) -> None:
        """End it if the test didn't."""
        if self.process.poll() is None:
            self.end()

    def family(self) -> set[int]:
        """The processes of the stack: the program and all its descendants."""
        return family(self.process.pid)


def family(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents = dict(_parents())
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def none_alive(pids: set[int]) -> bool:
    return not any(map(processes.alive, pids))


def parent(pid: int) -> int:
    return dict(_parents())[pid]


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            yield int(entry.name), int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
