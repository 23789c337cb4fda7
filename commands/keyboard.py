"""Single keys from the terminal. What is typed ahead is kept: a quick reviewer is ahead of the screen."""

import codecs
import os
import re
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

END = "\x04"
"""Ctrl-D, or the terminal is gone."""
_SEQUENCE = re.compile(r"\x1b(?:[\[O][0-9;]*[ -/]*[@-~]?)?")


class Keyboard:
    """The terminal gives each key at once and echoes none while the block runs."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._terminal)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._ahead = ""

    def __enter__(self) -> Self:
        tty.setcbreak(self._terminal, termios.TCSADRAIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    @contextmanager
    def lines(self) -> Iterator[None]:
        """The terminal as it was before, for an editor or a question."""
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
        try:
            yield
        finally:
            tty.setcbreak(self._terminal, termios.TCSADRAIN)

    def key(self) -> str:
        """The next key: a character, or the whole sequence of a key like an arrow."""
        while not self._ahead:
            data = os.read(self._terminal, 1024)
            if not data:
                return END
            self._ahead = self._decoder.decode(data)
        sequence = _SEQUENCE.match(self._ahead)
        key = sequence.group() if sequence else self._ahead[0]
        self._ahead = self._ahead[len(key) :]
        return key
