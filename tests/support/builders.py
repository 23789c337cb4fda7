"""Rows for the tests of anything that stands on the database, and what the rows then say."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select

from db import messages, outbox, runs
from db.defaults import ensure_offline_assignment
from db.engine import Database
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig
from models.base import new_id
from models.conversation import IncomingMessage
from models.message import Message
from models.project import ProjectConfig
from models.proposal import TaskProposal
from models.run import AnalysisBatch, AnalysisRun, RunEvent
from models.values import BatchStatus, RunStatus

START = datetime(2026, 3, 10, tzinfo=UTC)
"""Where the windows of the runs begin, if nothing else is said."""

_numbers = itertools.count(1)

Values = dict[str, Any]


async def add_provider(database: Database, **values: Any) -> UUID:
    """A provider of the offline type, unless said otherwise."""
    async with database.transaction() as session:
        provider = LLMProvider.model_validate({"name": f"provider {next(_numbers)}", "type": "offline"} | values)
        session.add(provider)
    return provider.id


async def add_assignment(database: Database, *, provider: Mapping[str, Any] | None = None, **agent: Any) -> UUID:
    """An assignment of a new agent at a new provider, each with these values."""
    number = next(_numbers)
    provider_id = await add_provider(database, **(provider or {}))
    values: Values = {"name": f"agent {number}", "provider_id": provider_id, "model_name": "rules-1"} | agent
    made, task = AgentConfig.model_validate(values), TaskConfig(name=f"task {number}")
    async with database.transaction() as session:
        session.add_all([made, task])
        await session.flush()
        assignment = AgentTaskAssignment(agent_id=made.id, task_id=task.id)
        session.add(assignment)
    return assignment.id


async def add_project(database: Database, *keywords: str, **values: Any) -> UUID:
    """A project with these keywords."""
    project = ProjectConfig.model_validate({"name": f"project {next(_numbers)}", "keywords": list(keywords)} | values)
    async with database.transaction() as session:
        session.add(project)
    return project.id


async def store_messages(
    database: Database, incoming: Sequence[IncomingMessage], *, source: str = "team"
) -> list[UUID]:
    """The ids of these messages of one source, in the order given."""
    async with database.transaction() as session:
        source_id = await messages.source_named(session, source, "api")
        await messages.upsert(session, source_id, incoming)
        rows = await session.exec(select(Message).where(col(Message.source_id) == source_id))
        ids = {(row.channel, row.external_id): row.id for row in rows}
    return [ids[message.channel, message.external_id] for message in incoming]


async def add_messages(
    database: Database,
    *texts: str,
    source: str = "team",
    start: datetime = START,
    gap_seconds: float = 60,
    **values: Any,
) -> list[UUID]:
    """The ids of messages with these texts, one after the other, all with the values given (channel, author …)."""
    shared: Values = {"channel": "general", "author": "ann"} | values
    incoming = [
        IncomingMessage(
            external_id=f"m{next(_numbers)}",
            content=text,
            sent_at=start + timedelta(seconds=at * gap_seconds),
            **shared,
        )
        for at, text in enumerate(texts)
    ]
    return await store_messages(database, incoming, source=source)


async def add_run(
    database: Database, *, status: RunStatus = "pending", day: float = 0, days: float = 1, **values: Any
) -> AnalysisRun:
    """A run in this state over `days` days from START + `day`, with the event of its making."""
    begin = START + timedelta(days=day)
    window: Values = {"time_window_start": begin, "time_window_end": begin + timedelta(days=days)}
    if "agent_assignment_id" not in values:
        values["agent_assignment_id"] = await ensure_offline_assignment(database)
    options: Values = {"max_batch_size": 50, "time_gap_seconds": 600, "prefilter": "rules", "concurrency": 8}
    return await runs.create(database, AnalysisRun(status=status, **window | {"options": options} | values))


async def add_batches(database: Database, run_id: UUID, *statuses: BatchStatus, **values: Any) -> None:
    """A batch of one message in each of these states, numbered from 1 and counted on the run's row."""
    async with runs.locked(database, run_id) as held:
        source_id = await messages.source_named(held.session, "team", "api")
        shared: Values = {"source_id": source_id, "channel": "general", "message_count": 1} | values
        held.session.add_all(
            AnalysisBatch(run_id=run_id, batch_no=number, status=status, **{"message_ids": [new_id()], **shared})
            for number, status in enumerate(statuses, 1)
        )
        held.run.batches_created = len(statuses)
        held.run.batches_completed = statuses.count("completed")
        held.run.batches_failed = statuses.count("failed")


async def add_proposals(database: Database, run_id: UUID, count: int = 1, **values: Any) -> list[UUID]:
    """The ids of so many pending proposals, counted on the run's row."""
    shared: Values = {"confidence": 0.8, "message_count": 1, "model": "rules-1", "prompt_version": "1"} | values
    made = [
        TaskProposal(
            run_id=run_id,
            batch_no=1,
            ordinal=next(_numbers),
            **_named(number) | shared,
        )
        for number in range(count)
    ]
    async with runs.locked(database, run_id) as held:
        held.session.add_all(made)
        held.run.proposals_total += count
        held.run.proposals_pending += count
    return [proposal.id for proposal in made]


def _named(number: int) -> Values:
    return {"proposed_title": f"Fix part {number}", "source_message_ids": [new_id()]}


async def run_of(database: Database, run_id: UUID) -> AnalysisRun:
    async with database.transaction() as session:
        return await runs.get(session, run_id)


async def batches_of(database: Database, run_id: UUID) -> list[AnalysisBatch]:
    async with database.transaction() as session:
        query = select(AnalysisBatch).where(col(AnalysisBatch.run_id) == run_id).order_by(col(AnalysisBatch.batch_no))
        return list((await session.exec(query)).all())


async def proposals_of(database: Database, run_id: UUID) -> list[TaskProposal]:
    async with database.transaction() as session:
        query = select(TaskProposal).where(col(TaskProposal.run_id) == run_id).order_by(col(TaskProposal.id))
        return list((await session.exec(query)).all())


async def events_of(database: Database, run_id: UUID) -> list[RunEvent]:
    """All events of the run; that they are numbered 1 … n without a gap is checked here, for every test."""
    async with database.transaction() as session:
        events = await outbox.events_after(session, run_id, 0, 100_000)
        run = await runs.get(session, run_id)
    assert [event.seq for event in events] == list(range(1, run.last_seq + 1))
    return events


async def fill_messages(
    database: Database, count: int, *, source: str = "bulk", channels: int = 1, start: datetime = START
) -> None:
    """So many messages a second apart, in turn in channels `c0`, `c1` …, made by the database itself."""
    async with database.transaction() as session:
        source_id = await messages.source_named(session, source, "api")
        await session.execute(
            text(
                "INSERT INTO messages (source_id, channel, external_id, author, sent_at, content)"
                " SELECT :source, 'c' || n % CAST(:channels AS integer), 'f' || n, 'author ' || n % 20,"
                " CAST(:start AS timestamptz) + n * interval '1 s', 'please look at part ' || n"
                " FROM generate_series(0, CAST(:count AS integer) - 1) AS n"
            ),
            {"source": source_id, "channels": channels, "start": start, "count": count},
        )
