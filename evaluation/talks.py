"""Labelled conversations: the project's own cases, those of them that nobody tunes on, and the sample workspace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ingest.entries import Found, ReadOptions
from ingest.slack import read
from models.conversation import IncomingMessage
from sample.workspace import GoldTask, MessageRef, export_path, gold

DataSet = Literal["cases", "kept_back", "sample"]
"""What comes with the project."""
START = datetime(2026, 2, 2, 9, tzinfo=UTC)
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Talk:
    """A conversation and the tasks that a careful reader takes from it. `dated` are the ids of those for which it names
    a date; `owners_known`: whether somebody has said whose they are."""

    id: str
    category: str
    messages: tuple[IncomingMessage, ...]
    tasks: tuple[GoldTask, ...]
    dated: frozenset[str]
    owners_known: bool = True

    def refs(self) -> frozenset[MessageRef]:
        """Its messages."""
        return frozenset((message.channel, message.external_id) for message in self.messages)


class _Task(BaseModel):
    model_config = ConfigDict(extra="forbid")

    owner: str | None
    words: tuple[str, ...]
    rests_on: tuple[int, ...]
    due: bool = False


class _Case(BaseModel):
    """A case as its file has it: lines of `author: text`, a minute apart, and threads by the numbers of their lines."""

    model_config = ConfigDict(extra="forbid")

    id: str
    category: str
    language: str = "en"
    bots: tuple[str, ...] = ()
    threads: tuple[tuple[int, ...], ...] = ()
    talk: tuple[str, ...]
    tasks: tuple[_Task, ...]


@cache
def talks(data_set: DataSet) -> tuple[Talk, ...]:
    """The conversations of a data set."""
    return tuple(_sample()) if data_set == "sample" else tuple(_cases(data_set))


def _cases(data_set: DataSet) -> Iterator[Talk]:
    cases = TypeAdapter(list[_Case]).validate_json((_HERE / f"{data_set}.json").read_bytes())
    for number, case in enumerate(cases):
        dated = frozenset(_task_id(case, at) for at, task in enumerate(case.tasks) if task.due)
        yield Talk(case.id, case.category, tuple(_messages(case, number)), tuple(_tasks(case)), dated)


def _task_id(case: _Case, number: int) -> str:
    return f"{case.id}:{number}"


def _messages(case: _Case, number: int) -> Iterator[IncomingMessage]:
    threads = {at: str(thread[0]) for thread in case.threads for at in thread}
    for at, line in enumerate(case.talk):
        author, _, text = line.partition(": ")
        yield IncomingMessage(
            channel=case.id,
            external_id=str(at),
            author=author,
            sent_at=START + timedelta(hours=number, minutes=at),
            content=text,
            thread_id=threads.get(at),
            is_bot=author in case.bots,
        )


def _tasks(case: _Case) -> Iterator[GoldTask]:
    for number, task in enumerate(case.tasks):
        yield GoldTask(
            id=_task_id(case, number),
            title=" ".join(task.words),
            owner=task.owner,
            channel=case.id,
            evidence=tuple(map(str, task.rests_on)),
            kind="case",
            keywords=task.words,
        )


def _sample() -> Iterator[Talk]:
    """The sample workspace, a conversation for each channel."""
    found = [entry.message for entry in read(export_path(), ReadOptions()) if isinstance(entry, Found)]
    for channel in sorted({message.channel for message in found}):
        tasks = tuple(task for task in gold().tasks if task.channel == channel)
        yield Talk(
            channel,
            "sample workspace",
            tuple(message for message in found if message.channel == channel),
            tasks,
            frozenset(task.id for task in tasks if task.due is not None),
        )


def window(chosen: Sequence[Talk]) -> tuple[datetime, datetime]:
    """The half-open window that holds all of their messages."""
    times = [message.sent_at for talk in chosen for message in talk.messages]
    return min(times), max(times) + timedelta(seconds=1)
