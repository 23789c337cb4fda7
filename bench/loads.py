"""How much is asked of a contender, and what it made of it."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MESSAGES_A_BATCH = 10
_BETWEEN_MESSAGES = timedelta(seconds=1)
"""Near enough to be one conversation, which is then cut into batches of the greatest size."""


@dataclass(frozen=True)
class Window:
    """The messages of so many batches."""

    start: datetime
    batches: int

    @property
    def end(self) -> datetime:
        return self.start + self.messages * _BETWEEN_MESSAGES

    @property
    def messages(self) -> int:
        return self.batches * MESSAGES_A_BATCH


@dataclass(frozen=True)
class Load:
    """So many batches at a model that answers after `latency` seconds, at most `concurrency` of them at a time."""

    batches: int
    latency: float
    concurrency: int

    @property
    def ideal_seconds(self) -> float:
        """What the model alone takes."""
        return self.batches * self.latency / self.concurrency


@dataclass(frozen=True)
class Trial:
    """What one contender took for one load.

    `seconds` run from the order to start until the run is completed; `asking_seconds`, where they are known, from the
    first model call to the last save. `cpu_seconds` are by part, `statements` all that PostgreSQL carried out.
    """

    load: Load
    seconds: float
    asking_seconds: float | None
    cpu_seconds: Mapping[str, float]
    statements: int
    calls: int
    most_at_once: int

    @property
    def over_ideal(self) -> float:
        return self.seconds / self.load.ideal_seconds

    @property
    def batches_a_second(self) -> float:
        return self.load.batches / self.seconds

    def cpu_milliseconds(self, *parts: str) -> float:
        """Of a batch, in those of these parts that there are, or in all."""
        return 1000 * sum(self.cpu_seconds.get(part, 0) for part in parts or self.cpu_seconds) / self.load.batches


def median(trials: Sequence[Trial], figure: Callable[[Trial], float]) -> float:
    return statistics.median(figure(trial) for trial in trials)
