"""The benchmark's form, in the smallest size and without the peers: whether it runs, and says what it must."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.registry import ROWS
from tests.support.service import ROOT

NO_MORE_THAN = 200.0
"""Times the ideal. A figure of a loaded machine says nothing; one beyond this says that nothing was measured."""


async def _bench(results: Path, *arguments: str) -> tuple[str, Any]:
    """What it prints, and what it writes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", "--results", str(results), *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode(), json.loads((results / "latest.json").read_text())


async def test_a_quick_run_of_one_row_prints_and_writes_it(tmp_path: Path) -> None:
    printed, written = await _bench(tmp_path, "--quick", "--alone", "--only", "2")

    [row] = written["rows"]
    assert (row["number"], row["goal"], written["missing"]) == (2, "≤ 1.06 ×", {})
    assert row["measured"] in " ".join(printed.split())
    assert written["quick"] is True

    [trial] = row["figures"]["trials"]["Gleaner"]
    load = trial["load"]
    ideal = load["batches"] * load["latency"] / load["concurrency"]
    assert 1 <= trial["seconds"] / ideal < NO_MORE_THAN
    assert trial["asking_seconds"] <= trial["seconds"]
    assert trial["calls"] == load["batches"]
    assert 1 <= trial["most_at_once"] <= load["concurrency"]
    assert trial["statements"] > 0
    assert all(trial["cpu_seconds"][part] > 0 for part in ("worker", "postgres", "temporal"))

    for fact in ("at", "commit", "cores", "processor", "memory_gigabytes", "kernel", "python", "versions"):
        assert fact in written["machine"]


def test_rows_are_numbered_without_a_gap() -> None:
    assert list(ROWS) == list(range(1, len(ROWS) + 1))
