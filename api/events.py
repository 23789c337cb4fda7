"""Events as the outside sees them: one JSON object, the same in a list, on the WebSocket and in a stream."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from models.base import now
from models.run import RunEvent
from models.values import words

Topic = Literal["runs", "proposals", "messages", "imports"]
TOPICS: tuple[str, ...] = words(Topic)
DEFAULT_TOPICS: frozenset[Topic] = frozenset({"runs", "proposals"})

MAX_SEQ = 2**31 - 1
"""Event numbers are PostgreSQL integers."""


def topic_of(event: str) -> Topic:
    """The topic that an event of a run belongs to.

    | topic | events |
    | --- | --- |
    | `proposals` | `proposals_created`, and `proposal_` with `approved`, `rejected`, `merged`, `reopened`, `edited` |
    | `runs` | every other event |
    | `messages`, `imports` | none: in this version only runs have events, so these topics are silent |
    """
    return "proposals" if event == "proposals_created" or event.startswith("proposal_") else "runs"


class EventView(BaseModel):
    """One event. `seq` counts from 1 without gaps within the run; it is null for words of the connection itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event": "progress_updated",
                    "data": {
                        "run_id": "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10",
                        "current_batch": 3,
                        "total_batches": 8,
                        "progress_percent": 37,
                    },
                    "run_id": "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10",
                    "seq": 11,
                    "at": "2026-03-12T09:00:04.512Z",
                }
            ]
        }
    )

    event: str
    data: dict[str, Any]
    run_id: UUID | None
    seq: int | None
    at: datetime

    @classmethod
    def of(cls, row: RunEvent) -> "EventView":
        return cls(event=row.event, data=row.data, run_id=row.run_id, seq=row.seq, at=row.at)


@dataclass(frozen=True, slots=True)
class EventMessage:
    """An event of a run, encoded once for everybody who hears it."""

    run_id: UUID
    seq: int
    event: str
    topic: Topic
    text: str

    @classmethod
    def of(cls, row: RunEvent) -> "EventMessage":
        return cls(row.run_id, row.seq, row.event, topic_of(row.event), EventView.of(row).model_dump_json())


def encoded(rows: Iterable[RunEvent]) -> list[EventMessage]:
    return [EventMessage.of(row) for row in rows]


class LaggedView(EventView):
    """A reader fell behind: what follows `after_seq` in this run comes out of the outbox."""

    event: str = "lagged"
    after_seq: int


@dataclass(frozen=True, slots=True)
class Lagged:
    """Word to a reader that it fell behind in a run after event number `after_seq`."""

    run_id: UUID
    after_seq: int

    @property
    def text(self) -> str:
        view = LaggedView(
            data={"run_id": str(self.run_id), "after_seq": self.after_seq},
            run_id=self.run_id,
            seq=None,
            at=now(),
            after_seq=self.after_seq,
        )
        return view.model_dump_json()


def word(event: str, **data: str) -> str:
    """A word of the connection itself, such as `pong` or `error`, which belongs to no run."""
    return EventView(event=event, data=dict(data), run_id=None, seq=None, at=now()).model_dump_json()
