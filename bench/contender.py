"""What a contender must offer to be measured."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bench.ground import Field
from bench.loads import Window


@dataclass(frozen=True)
class Progress:
    """What the database says of a run."""

    settled: int
    completed_at: datetime | None


class Serving(Protocol):
    """A contender whose worker runs."""

    async def make(self, window: Window, concurrency: int) -> UUID:
        """A run over the window that isn't started yet."""

    async def start(self, run_id: UUID) -> None:
        """What a user does to have it done."""

    async def progress(self, run_id: UUID) -> Progress: ...

    async def asking_seconds(self, run_id: UUID) -> float | None:
        """From the first batch's begin to the last one's save, where its rows tell."""

    async def proposals(self, run_id: UUID) -> tuple[int, int]:
        """How many rows there are, and how many different ones."""

    def processes(self) -> Mapping[str, int]:
        """Its own, each with what it started, by part."""

    async def kill(self) -> None:
        """Kill -9 of the worker with all its processes."""

    async def restart(self) -> None:
        """The worker again, once it is ready."""


class Contender(Protocol):
    """Gleaner or one of its peers."""

    @property
    def name(self) -> str: ...

    @property
    def one_by_one(self) -> bool:
        """Whether it has no way to ask for more than one batch at a time."""

    @property
    def after_a_kill(self) -> str:
        """What a person has to do after the death of a worker."""

    def serving(self, field: Field, concurrency: int) -> AbstractAsyncContextManager[Serving]:
        """Its worker, ready, on a field of its own."""
