"""What is remembered of earlier runs that may concern new proposals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.memory import Fate, Remembered
from db import evidence
from models.message import Message
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.task import Task

RESEMBLING = 20
"""How many proposals, and how many tasks, with a title like a new one's are looked at."""


async def remembered(session: AsyncSession, run: AnalysisRun, found: Sequence[TaskProposal]) -> list[list[Remembered]]:
    """For each new proposal of the run what other runs of its project found in its messages, and what resembles its
    title."""
    on_messages = await _on_messages(session, run, found)
    return [
        [
            *on_messages[at],
            *await _resembling(session, run, new.proposed_title, {one.proposal_id for one in on_messages[at]}),
        ]
        for at, new in enumerate(found)
    ]


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


async def _resembling(session: AsyncSession, run: AnalysisRun, title: str, known: set[UUID | None]) -> list[Remembered]:
    """Tasks, and proposals that are pending or turned down, of the same project with a title like this one, the
    likest first. `known` are left out."""
    near = col(TaskProposal.proposed_title)
    proposals = (
        select(TaskProposal)
        .where(
            near.op("%")(title),
            col(TaskProposal.run_id) != run.id,
            col(TaskProposal.status).in_(("pending", "rejected")),
            col(TaskProposal.project_config_id).is_not_distinct_from(run.project_config_id),
        )
        .order_by(func.similarity(near, title).desc(), col(TaskProposal.id))
        .limit(RESEMBLING)
    )
    tasks = (
        select(Task)
        .where(
            col(Task.title).op("%")(title),
            col(Task.status) != "withdrawn",
            col(Task.project_config_id).is_not_distinct_from(run.project_config_id),
        )
        .order_by(func.similarity(col(Task.title), title).desc(), col(Task.id))
        .limit(RESEMBLING)
    )
    found = [_seen(one, one) for one in (await session.exec(proposals)).all() if one.id not in known]
    found += [Remembered(task.title, "task", task_id=task.id) for task in (await session.exec(tasks)).all()]
    return found


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
