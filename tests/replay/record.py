"""`make record`: play every phase that a run can be in on the real servers, and keep what Temporal then holds.

Phases that the present version has recorded already are left alone, unless `--force` is given. That is for a version
that was never deployed: the recordings of one that was are what its open runs look like.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from db.migrate import upgrade
from devstack.servers import Servers, servers
from logs import configure
from settings import Settings
from tests.replay.histories import FOLDER, Recording, present_version
from tests.replay.phases import PHASES
from tests.replay.scene import scene


async def record(stack: Servers, name: str, folder: Path = FOLDER) -> Recording:
    """Play one phase on these servers and write what it left."""
    async with scene(stack) as played:
        history = await PHASES[name](played)
    recording = Recording(present_version(), name, folder)
    recording.write(history)
    return recording


def to_record(wanted: Collection[str], *, force: bool, folder: Path = FOLDER) -> list[str]:
    """Of these phases the ones that the present version lacks; with `force` all of them."""
    version = present_version()
    return [name for name in wanted if force or not Recording(version, name, folder).path.exists()]


async def _record_all(names: Collection[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with servers(Path(folder) / "stack") as stack:
            await upgrade(stack.dsn)
            for name in names:
                began = time.monotonic()
                recording = await record(stack, name)
                size = recording.path.stat().st_size // 1024
                _say(f"{name}: {len(recording.read().events)} events, {size} KB, {time.monotonic() - began:.1f} s")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phases", nargs="*", default=list(PHASES), help="default: all of them")
    parser.add_argument("--force", action="store_true", help="record again what this version has recorded")
    options = parser.parse_args()
    if unknown := set(options.phases) - set(PHASES):
        parser.error(f"no such phase: {', '.join(sorted(unknown))}; there are {', '.join(PHASES)}")
    configure(Settings(log_level="ERROR"))
    names = to_record(options.phases, force=options.force)
    if not names:
        _say(f"Version {present_version()} has all of them; --force records them again.")
        return
    asyncio.run(_record_all(names))
    sys.stdout.flush()
    os._exit(0)  # threads of the Temporal client may still call into an interpreter that is taken down, and abort it


if __name__ == "__main__":
    main()
