"""Which rows there are, and who measures each."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bench.rows import Row


@dataclass(frozen=True)
class Source:
    """A function of a module, `async (*, quick) -> Row | list[Row]`.

    What is measured beside the peers takes `repeats` and `peers` too. The module is imported when its row is wanted.
    """

    module: str
    function: str = "measure"
    beside: bool = False

    async def measure(self, *, quick: bool, repeats: int, peers: bool) -> list[Row]:
        options = {"quick": quick} | ({"repeats": repeats, "peers": peers} if self.beside else {})
        measure: Callable[..., Coroutine[Any, Any, Row | list[Row]]]
        measure = getattr(import_module(self.module), self.function)
        measured = await measure(**options)
        return measured if isinstance(measured, list) else [measured]


_BATCH_COST = Source("bench.batch_cost", "rows")

ROWS: Mapping[int, Source] = {
    1: Source("bench.wall_time", "forty_at_once", beside=True),
    2: Source("bench.wall_time", "eight_at_once", beside=True),
    3: _BATCH_COST,
    4: Source("bench.many_runs"),
    5: Source("bench.window"),
    6: Source("bench.long_run"),
    7: _BATCH_COST,
    8: Source("bench.delivery"),
    9: Source("bench.http_api"),
    10: Source("bench.bulk_import"),
    11: Source("bench.duplicates"),
    12: Source("bench.recovery"),
    13: Source("bench.batch_cost_beside", beside=True),
    14: Source("bench.killing", beside=True),
}
"""By the numbers of docs/performance.md."""
