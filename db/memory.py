"""What is remembered of earlier runs that may concern new proposals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from operator import mul
from uuid import UUID

from sqlalchemy import TextClause, Uuid, bindparam, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.memory import Fate, Remembered
from db import evidence
from db.vectors import Vector, written
from models.message import Message
from models.proposal import TaskProposal
from models.run import AnalysisRun

RESEMBLING = 20
"""How many proposals, and how many tasks, are looked at for the words of a title, and as many for its meaning."""


async def remembered(
    session: AsyncSession, run: AnalysisRun, found: Sequence[TaskProposal], vectors: Sequence[Vector]
) -> list[list[Remembered]]:
    """For each new proposal of a batch what other runs of its project found in its messages, and what resembles its
    title: tasks, proposals of any run, and those before it. `vectors` are those of the titles, or none at all."""
    on_messages = await _on_messages(session, run, found)
    known = []
    for at, new in enumerate(found):
        seen = {one.proposal_id for one in on_messages[at]}
        vector = vectors[at] if vectors else None
        like = await _resembling(session, run, new.proposed_title, vector, seen)
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


# The likest titles by their words, in any language, of other runs, and the nearest ones by their meaning, of this run
# too. In one run thousands of titles may be alike, and to look for words in them takes as long as there are of them.
_PROPOSALS_LIKE = """
    SELECT proposal.id, proposed_title AS title, status, task_id, reject_reason,
           1 - (known.vector <=> CAST(CAST(:vector AS text) AS halfvec)) AS nearness
    FROM task_proposals AS proposal
    LEFT JOIN proposal_vectors AS known ON known.proposal_id = proposal.id AND known.title = proposed_title
    WHERE proposal.id IN (
        (SELECT id FROM task_proposals
         WHERE proposed_title % :title AND run_id <> :run AND status IN ('pending', 'rejected')
           AND project_config_id {of_project}
         ORDER BY similarity(proposed_title, :title) DESC, id LIMIT :limit)
        UNION ALL
        (SELECT proposal_id FROM proposal_vectors JOIN task_proposals ON id = proposal_id
         WHERE status IN ('pending', 'rejected') AND project_config_id {of_project}
         ORDER BY vector <=> CAST(CAST(:vector AS text) AS halfvec) LIMIT :limit)
    ) AND status IN ('pending', 'rejected')
    ORDER BY proposal.id
"""
_TASKS_LIKE = """
    SELECT task.id, task.title, 1 - (known.vector <=> CAST(CAST(:vector AS text) AS halfvec)) AS nearness
    FROM tasks AS task LEFT JOIN task_vectors AS known ON known.task_id = task.id AND known.title = task.title
    WHERE task.id IN (
        (SELECT id FROM tasks
         WHERE title % :title AND status <> 'withdrawn'
           AND project_config_id {of_project}
         ORDER BY similarity(title, :title) DESC, id LIMIT :limit)
        UNION ALL
        (SELECT task_id FROM task_vectors JOIN tasks ON id = task_id
         WHERE status <> 'withdrawn' AND project_config_id {of_project}
         ORDER BY vector <=> CAST(CAST(:vector AS text) AS halfvec) LIMIT :limit)
    ) AND task.status <> 'withdrawn'
    ORDER BY task.id
"""


def _of_project(query: str, project_id: UUID | None) -> TextClause:
    """The query for the project, or for what is of none, each in a form that an index can serve."""
    if project_id is None:
        return text(query.format(of_project="IS NULL"))
    return text(query.format(of_project="= :project")).bindparams(bindparam("project", project_id, type_=Uuid))


async def _resembling(
    session: AsyncSession, run: AnalysisRun, title: str, vector: Vector | None, known: set[UUID | None]
) -> list[Remembered]:
    """Tasks, and proposals that are pending or turned down, of the same project with a title like this one. `known` are
    left out."""
    values = {
        "title": title,
        "vector": None if vector is None else written(vector),
        "limit": RESEMBLING,
    }
    like = _of_project(_PROPOSALS_LIKE, run.project_config_id)
    proposals = (await session.execute(like, {**values, "run": run.id})).all()
    tasks = (await session.execute(_of_project(_TASKS_LIKE, run.project_config_id), values)).all()
    return [
        *(
            Remembered(
                row.title,
                "pending" if row.status == "pending" else "rejected",
                proposal_id=row.id,
                reject_reason=row.reject_reason,
                nearness=row.nearness,
            )
            for row in proposals
            if row.id not in known
        ),
        *(Remembered(row.title, "task", task_id=row.id, nearness=row.nearness) for row in tasks),
    ]


def _before_it(found: Sequence[TaskProposal], vectors: Sequence[Vector], at: int) -> list[Remembered]:
    """The new proposals of the same batch that come before this one."""
    return [
        Remembered(
            one.proposed_title,
            "pending",
            proposal_id=one.id,
            nearness=sum(map(mul, vectors[at], vectors[before])) if vectors else None,
        )
        for before, one in enumerate(found[:at])
    ]


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
