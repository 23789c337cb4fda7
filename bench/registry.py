"""Which rows there are, and who measures each."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bench.rows import Row


@dataclass(frozen=True)
class Source:
    """A function of a module, `async (*, quick) -> Row`; with `repeats` it takes how often to measure too.

    The module is imported when its row is wanted.
    """

    module: str
    function: str = "measure"
    repeats: bool = False

    async def measure(self, *, quick: bool, repeats: int) -> Row:
        options: dict[str, Any] = {"quick": quick} | ({"repeats": repeats} if self.repeats else {})
        measure: Callable[..., Coroutine[Any, Any, Row]] = getattr(import_module(self.module), self.function)
        return await measure(**options)


ROWS: Mapping[int, Source] = {
    1: Source("bench.wall_time", "forty_at_once", repeats=True),
    2: Source("bench.wall_time", "eight_at_once", repeats=True),
    3: Source("bench.batch_cost", "throughput"),
    4: Source("bench.many_runs"),
    5: Source("bench.window"),
    6: Source("bench.long_run"),
    7: Source("bench.batch_cost", "cost"),
    8: Source("bench.delivery"),
    9: Source("bench.http_api"),
    10: Source("bench.bulk_import"),
    11: Source("bench.duplicates"),
    12: Source("bench.recovery"),
    13: Source("bench.batch_cost_beside", repeats=True),
    14: Source("bench.killing", repeats=True),
}
"""By the numbers of docs/performance.md."""
