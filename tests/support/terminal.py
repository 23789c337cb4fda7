"""A program in a terminal of its own: what it shows, and the keys pressed."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from tests.support.service import ROOT
from tests.support.waiting import until

ROWS, COLUMNS = 45, 120
_CLEAR = "\x1b[2J"
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>])")


class Terminal:
    """`screen` is what was printed since the screen was last cleared, without colours."""

    def __init__(self, process: asyncio.subprocess.Process, keyboard: int) -> None:
        self.process = process
        self._keyboard = keyboard
        self._printed = ""

    @property
    def screen(self) -> str:
        return _ESCAPE.sub("", self._printed.rpartition(_CLEAR)[2]).replace("\r\n", "\n")

    def heard(self, data: bytes) -> None:
        self._printed += data.decode(errors="replace")

    async def shows(self, *words: str) -> str:
        """The screen as soon as all of these words stand on it."""

        async def look() -> str:
            return self.screen

        return await until(look, lambda screen: all(word in " ".join(screen.split()) for word in words))

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 30)


@asynccontextmanager
async def gleaner_in_a_terminal(arguments: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """The `gleaner` command at a terminal of 45 lines; killed at the end where it still runs."""
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "cli.py"),
        *arguments,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", **environment},
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
    )
    os.close(screen)
    terminal = Terminal(process, keyboard)
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            terminal.heard(os.read(keyboard, 65536))
        except OSError:  # the program has left its terminal
            loop.remove_reader(keyboard)

    loop.add_reader(keyboard, read)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        loop.remove_reader(keyboard)
        os.close(keyboard)
