"""The folder that holds everything of one stack; at most one stack runs on it."""

import asyncio
import contextlib
import fcntl
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from devstack import processes
from devstack.errors import StackError

_CLEARING_SECONDS = 15.0


@dataclass(frozen=True)
class DataDir:
    """Where things are in a data directory `root`, an absolute path."""

    root: Path

    @classmethod
    def open(cls, path: Path) -> "DataDir":
        """The data directory at `path`, made if it isn't there. Only its owner can look into what is made."""
        here = cls(path.expanduser().resolve())
        here.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        here.logs.mkdir(mode=0o700, exist_ok=True)
        return here

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def description(self) -> Path:
        """`stack.json`: what runs here now and where it answers."""
        return self.root / "stack.json"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def secret(self, name: str) -> str:
        """A random text that is made once and kept in a file that only its owner can read."""
        path = self.root / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[int]:
        """Keep every other stack out; gives the open lock file. Raises StackError `stack_running`.

        A stack whose supervisor was killed is waited for: its watchdog holds the lock until its parts are gone.
        """
        lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await self._take(lock)
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            yield lock
        finally:
            os.close(lock)

    async def _take(self, lock: int) -> None:
        deadline = asyncio.get_running_loop().time() + _CLEARING_SECONDS
        while not _try_lock(lock):
            holder = os.pread(lock, 20, 0).decode()
            if (holder and processes.alive(int(holder))) or asyncio.get_running_loop().time() > deadline:
                raise StackError(
                    "stack_running",
                    f"another stack (process {holder or 'unknown'}) runs on {self.root}: "
                    "stop it, or choose another folder with --data-dir",
                )
            await asyncio.sleep(0.05)


def write_private(path: Path, text: str) -> None:
    """Put `text` into the file at once: a reader sees the old or the new one, and nobody but the owner sees any."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
