"""What a benchmark hands in: a line of the table, with every figure behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """A line of the table: `number` as in docs/performance.md, `measured` and `goal` as a person reads them.

    `met` is None where there is no goal. `figures` holds every single measurement that the line sums up, by name;
    `ratios` those that `bench.held` holds a change against, where less is better.
    """

    number: int
    what: str
    measured: str
    goal: str
    met: bool | None
    figures: Mapping[str, object] = field(default_factory=dict)
    ratios: Mapping[str, float] = field(default_factory=dict)
