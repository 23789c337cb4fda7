"""What is remembered of earlier runs that may concern new proposals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from operator import mul
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, null
from sqlalchemy import select as columns
from sqlalchemy.orm import Mapped
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.memory import Fate, Remembered
from db import evidence
from db.vectors import Vector
from models.message import Message
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.task import Task
from models.vectors import ProposalVector, TaskVector

_Rows = Select[*tuple[Any, ...]]
_OF_PROPOSAL: tuple[Any, ...] = (
    TaskProposal.id,
    TaskProposal.proposed_title,
    TaskProposal.status,
    TaskProposal.reject_reason,
    TaskProposal.run_id,
)
_OF_TASK: tuple[Any, ...] = (Task.id, Task.title)
RESEMBLING = 20
"""How many proposals, and how many tasks, with a title like a new one's are looked at."""


async def remembered(
    session: AsyncSession, run: AnalysisRun, found: Sequence[TaskProposal], vectors: Sequence[Vector | None]
) -> list[list[Remembered]]:
    """For each new proposal of a batch what other runs of its project found in its messages, and what resembles its
    title: tasks, proposals of any run, and those before it. `vectors` are those of the titles, None where unknown."""
    on_messages = await _on_messages(session, run, found)
    known = []
    for at, new in enumerate(found):
        seen = {one.proposal_id for one in on_messages[at]}
        like = await _resembling(session, run, new.proposed_title, vectors[at], seen)
        known.append([*on_messages[at], *like, *_before_it(found, vectors, at)])
    return known


async def _on_messages(
    session: AsyncSession, run: AnalysisRun, found: Sequence[TaskProposal]
) -> defaultdict[int, list[Remembered]]:
    """By the place of the new proposal: those of other runs that rest on one of its messages."""
    ids = {message_id for new in found for message_id in new.source_message_ids}
    query = (
        select(TaskProposal, AnalysisRun)
        .join(AnalysisRun, col(AnalysisRun.id) == col(TaskProposal.run_id))
        .where(
            col(TaskProposal.source_message_ids).op("&&")(list(ids)),
            col(TaskProposal.run_id) != run.id,
            col(TaskProposal.status) != "suppressed",
            col(AnalysisRun.project_config_id).is_not_distinct_from(run.project_config_id),
        )
        .order_by(col(TaskProposal.id))
    )
    earlier = (await session.exec(query)).all() if ids else []
    messages = await _messages(session, ids) if earlier else {}
    known: defaultdict[int, list[Remembered]] = defaultdict(list)
    for proposal, its_run in earlier:
        last = await _last(session, proposal)
        for at, new in enumerate(found):
            mine, its = set(new.source_message_ids), set(proposal.source_message_ids)
            if mine & its:
                present = [messages[one] for one in mine if one in messages]
                fresh = not all(_had(its_run, message) for message in present)
                edited = any(_changed_since(its_run, message) for message in present)
                seen = _seen(proposal, last)
                known[at].append(replace(seen, shared=True, same=mine == its, fresh=fresh, edited=edited))
    return known


async def _messages(session: AsyncSession, ids: set[UUID]) -> dict[UUID, Message]:
    rows = (await session.exec(select(Message).where(col(Message.id).in_(ids)))).all()
    return {row.id: row for row in rows}


async def _resembling(
    session: AsyncSession, run: AnalysisRun, title: str, vector: Vector | None, known: set[UUID | None]
) -> list[Remembered]:
    """Tasks, and proposals that are pending or turned down, of the same project with a title like this one, the likest
    first. `known` are left out."""
    proposal, task = col(TaskProposal.proposed_title), col(Task.title)
    proposals = columns(*_OF_PROPOSAL).where(
        col(TaskProposal.status).in_(("pending", "rejected")), _of_project(col(TaskProposal.project_config_id), run)
    )
    tasks = columns(*_OF_TASK).where(col(Task.status) != "withdrawn", _of_project(col(Task.project_config_id), run))
    if vector is None:
        # To look for words takes as long as there are titles with some of them, and in one run thousands may be alike.
        proposals = _likest_words(proposals.where(col(TaskProposal.run_id) != run.id), proposal, title)
        tasks = _likest_words(tasks, task, title)
    else:
        proposals = _nearest(proposals.join(ProposalVector), col(ProposalVector.vector), vector)
        tasks = _nearest(tasks.join(TaskVector), col(TaskVector.vector), vector)
    return [
        *(
            Remembered(
                row.proposed_title,
                "pending" if row.status == "pending" else "rejected",
                proposal_id=row.id,
                reject_reason=row.reject_reason,
                nearness=row.nearness,
                own=row.run_id == run.id,
            )
            for row in (await session.execute(proposals)).all()
            if row.id not in known
        ),
        *(
            Remembered(row.title, "task", task_id=row.id, nearness=row.nearness)
            for row in (await session.execute(tasks)).all()
        ),
    ]


def _of_project(column: Mapped[UUID | None], run: AnalysisRun) -> ColumnElement[bool]:
    """In a form that an index can serve."""
    project_id = run.project_config_id
    return column.is_(None) if project_id is None else column == project_id


def _likest_words(query: _Rows, title: Mapped[str], new: str) -> _Rows:
    alike = query.add_columns(null().label("nearness")).where(title.op("%")(new))
    return alike.order_by(func.similarity(title, new).desc()).limit(RESEMBLING)


def _nearest(query: _Rows, known: Any, vector: Vector) -> _Rows:
    distance = known.cosine_distance(vector)
    return query.add_columns((1 - distance).label("nearness")).order_by(distance).limit(RESEMBLING)


def _before_it(found: Sequence[TaskProposal], vectors: Sequence[Vector | None], at: int) -> list[Remembered]:
    """The new proposals of the same batch that come before this one."""
    return [
        Remembered(
            one.proposed_title,
            "pending",
            proposal_id=one.id,
            nearness=_nearness(vectors[at], vectors[before]),
            own=True,
        )
        for before, one in enumerate(found[:at])
    ]


def _nearness(one: Vector | None, other: Vector | None) -> float | None:
    return None if one is None or other is None else sum(map(mul, one, other))


async def _last(session: AsyncSession, proposal: TaskProposal) -> TaskProposal:
    """What the proposal was merged into at last, or itself."""
    return [proposal, *await evidence.above(session, proposal)][-1]


def _seen(proposal: TaskProposal, last: TaskProposal) -> Remembered:
    fates: dict[str, Fate] = {"pending": "pending", "rejected": "rejected", "approved": "task", "merged": "task"}
    return Remembered(
        title=proposal.proposed_title,
        fate=fates[last.status],
        proposal_id=last.id,
        task_id=last.task_id,
        reject_reason=last.reject_reason,
    )


def _had(run: AnalysisRun, message: Message) -> bool:
    """Whether the run had the message before it: it was there when the window was fetched, and in it."""
    filters = run.filters
    return (
        run.fetched_at is not None
        and message.created_at <= run.fetched_at
        and run.time_window_start <= message.sent_at < run.time_window_end
        and _named(filters.get("source_ids"), str(message.source_id))
        and _named(filters.get("channels"), message.channel)
        and _named(filters.get("authors"), message.author)
    )


def _changed_since(run: AnalysisRun, message: Message) -> bool:
    return run.fetched_at is None or message.updated_at > run.fetched_at


def _named(wanted: Sequence[object] | None, value: str) -> bool:
    return not wanted or value in map(str, wanted)
