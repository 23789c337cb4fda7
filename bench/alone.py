"""One benchmark by itself: `python -m bench.NAME`, with `--quick` for small sizes."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.rows import Row
from logs import configure
from settings import Settings

RESULTS = Path(__file__).parent / "results"

Measure = Callable[..., Coroutine[Any, Any, Row]]
"""Takes `quick` by its name."""


def run_alone(name: str, measure: Measure) -> None:
    """Measure, print the row and keep it as `bench/results/NAME.json`."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    options = parser.parse_args()
    configure(Settings(log_level="ERROR"))
    keep(name, asyncio.run(measure(quick=options.quick)))
    sys.stdout.flush()
    os._exit(0)  # threads of the Temporal client may still call into an interpreter that is taken down, and abort it


def keep(name: str, row: Row) -> None:
    """Print the row, and write it with all its figures."""
    written = json.dumps(asdict(row), indent=2, default=str, ensure_ascii=False)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(written + "\n")
    sys.stdout.write(f"{written}\n")
