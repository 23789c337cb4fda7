"""`python -m bench`: measure Gleaner and its peers, print a table, and write every figure to `bench/results/`.

docs/performance.md says what each row means.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import machine, report
from bench.registry import ROWS
from bench.rows import Row
from logs import configure
from models.base import now
from settings import Settings

RESULTS = Path(__file__).parent / "results"


async def _measure(
    wanted: Sequence[int], *, quick: bool, repeats: int, peers: bool
) -> tuple[list[Row], Mapping[str, str]]:
    """The rows, and why others are missing: what can't be measured doesn't take the rest with it."""
    rows: list[Row] = []
    missing = {}
    for source in dict.fromkeys(ROWS[number] for number in wanted):
        report.say(f"{source.module} …")
        try:
            measured = await source.measure(quick=quick, repeats=repeats, peers=peers)
        except Exception as error:
            missing[source.module] = f"{type(error).__name__}: {error}"
            report.say(f"{source.module} could not be measured: {missing[source.module]}")
        else:
            rows += [row for row in measured if row.number in wanted]
    return sorted(rows, key=lambda row: row.number), missing


def _keep(written: Mapping[str, object], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{now():%Y%m%dT%H%M%SZ}.json"
    for path in (kept, folder / "latest.json"):
        path.write_text(json.dumps(written, indent=2, ensure_ascii=False, default=str) + "\n")
    return kept


def _options(arguments: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", type=int, choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--quick", action="store_true", help="small sizes, once each: the form, not the figures")
    parser.add_argument("--repeats", type=int, default=5, help="of what is measured side by side (default 5)")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder that figures are written to")
    return parser.parse_args(arguments)


def main() -> None:
    options = _options()
    configure(Settings(log_level="ERROR"))
    facts, load = machine.facts(), machine.load()
    rows, missing = asyncio.run(
        _measure(options.only, quick=options.quick, repeats=options.repeats, peers=not options.alone)
    )
    kept = _keep(
        {
            "machine": facts,
            "load_before": load,
            "load_after": machine.load(),
            "quick": options.quick,
            "repeats": options.repeats,
            "rows": [asdict(row) for row in rows],
            "missing": missing,
        },
        options.results,
    )
    report.show(rows)
    report.say(f"{kept}")
    sys.stdout.flush()
    # Threads of the Temporal client may still call into an interpreter that is taken down, and abort it.
    os._exit(1 if missing else 0)


if __name__ == "__main__":
    main()
