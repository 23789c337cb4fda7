"""`python -m bench.held`: whether a change made Gleaner slower, by ratios that a loaded machine moves little.

Measures the rows of `ROWS` in small sizes and holds their ratios against `bench/held.json`, which `--keep` writes. They
are counts, processor time over processor time, and in rows 2 and 4 the time of a run over that of its model, which is
most of it: what else runs on a machine takes seconds from everybody, and adds little to these. A row that comes out
over `LOSS` is measured again: a slow moment hits one try, a slower Gleaner hits all.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

from bench import report
from bench.registry import ROWS as SOURCES
from logs import configure
from settings import Settings

ROWS = (2, 4, 5, 7, 9, 10)
"""How long a run takes, many runs at once; what a window costs, a batch, a request, and a message on its way in."""
LOSS = 1.3
TRIES = 5
HELD = Path(__file__).with_suffix(".json")

Ratios = Mapping[str, float]


async def measured(number: int) -> Ratios:
    """The ratios of one row, in small sizes and without the peers."""
    rows = await SOURCES[number].measure(quick=True, repeats=1, peers=False)
    [row] = [row for row in rows if row.number == number]
    return {f"row {number}: {name}": round(ratio, 3) for name, ratio in row.ratios.items()}


async def best(held: Ratios, measure: Callable[[], Awaitable[Ratios]]) -> Ratios:
    """The least of each ratio in as many tries as it takes to be within the bound, and at most `TRIES`."""
    found: dict[str, float] = {}
    for _ in range(TRIES):
        for name, ratio in (await measure()).items():
            found[name] = min(ratio, found.get(name, ratio))
        if not lost(held, found):
            break
    return found


async def usual(measure: Callable[[], Awaitable[Ratios]]) -> Ratios:
    """The median of each ratio in three tries."""
    tries = [await measure() for _ in range(3)]
    return {name: median(one[name] for one in tries) for name in tries[0]}


def lost(held: Ratios, found: Ratios) -> list[str]:
    """A line for each ratio that is over `LOSS` times what is held, or that nothing is held of."""
    lines = [f"{name}: nothing is held; `python -m bench.held --keep` does" for name in found if name not in held]
    return lines + [
        f"{name}: {ratio:.2f}, held is {held[name]:.2f}"
        for name, ratio in found.items()
        if name in held and ratio > LOSS * held[name]
    ]


async def _check(held: Ratios | None) -> Ratios:
    """What is measured now; held against nothing, what is usual."""
    found: dict[str, float] = {}
    for number in ROWS:
        report.say(f"row {number} …")
        measure = partial(measured, number)
        found |= await (usual(measure) if held is None else best(held, measure))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.held", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="hold later changes against what is measured now")
    options = parser.parse_args()
    configure(Settings(log_level="ERROR"))
    held: Ratios = json.loads(HELD.read_text()) if HELD.exists() else {}
    found = asyncio.run(_check(None if options.keep else held))
    for name, ratio in found.items():
        report.say(f"{name}: {ratio:.2f}")
    losses = [] if options.keep else lost(held, found)
    if options.keep:
        HELD.write_text(json.dumps(found, indent=2) + "\n")
    for line in losses:
        report.say(f"slower than it may be: {line}")
    sys.stdout.flush()
    # Threads of the Temporal client may still call into an interpreter that is taken down, and abort it.
    os._exit(1 if losses else 0)


if __name__ == "__main__":
    main()
