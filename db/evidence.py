"""Evidence that moves: what is merged into a proposal or a task counts as a part of it, until it is taken back."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.message import Message
from models.proposal import TaskProposal

# All that was merged into a proposal, and into that, and so on, is found by walking `merged_into_id`. There are no
# loops: only a pending proposal is merged, and only into one that is pending or approved.


async def above(session: AsyncSession, proposal: TaskProposal) -> list[TaskProposal]:
    """The proposals that this one is a part of, the nearest first."""
    found: list[TaskProposal] = []
    part = proposal
    while part.merged_into_id is not None:
        whole = await session.get(TaskProposal, part.merged_into_id, populate_existing=True)
        assert whole is not None  # a foreign key
        found.append(whole)
        part = whole
    return found


_TREE = """
    WITH RECURSIVE tree (id) AS (
        SELECT id FROM task_proposals WHERE {root}
        UNION
        SELECT part.id FROM task_proposals AS part JOIN tree ON part.merged_into_id = tree.id
    )
"""
# UNION drops what is there already: what was merged into an approved proposal names both the proposal and its task.
_IN_ORDER = """
    SELECT task_proposals.* FROM task_proposals JOIN tree USING (id)
    ORDER BY status <> 'approved', reviewed_at, id
"""
_parts = text(_TREE.format(root="merged_into_id = :id") + _IN_ORDER)
_reports = text(_TREE.format(root="task_id = :id") + _IN_ORDER)
_count_reports = text(_TREE.format(root="task_id = :id") + "SELECT count(*) FROM tree")  # noqa: S608 - constants


async def parts(session: AsyncSession, proposal_id: UUID) -> list[TaskProposal]:
    """All that was merged into the proposal, in the order of the merges."""
    return await _proposals(session, _parts, proposal_id)


async def reports(session: AsyncSession, task_id: UUID) -> list[TaskProposal]:
    """The proposals that report the task: the approved one first, then all that was merged, in the order of the
    merges."""
    return await _proposals(session, _reports, task_id)


async def count_reports(session: AsyncSession, task_id: UUID) -> int:
    counted: int = (await session.execute(_count_reports, {"id": task_id})).scalar_one()
    return counted


async def _proposals(session: AsyncSession, query: TextClause, root_id: UUID) -> list[TaskProposal]:
    rows = select(TaskProposal).from_statement(query).execution_options(populate_existing=True)
    return list((await session.execute(rows, {"id": root_id})).scalars().all())


async def was_merged_into(session: AsyncSession, task_id: UUID) -> bool:
    query = select(col(TaskProposal.id)).where(
        col(TaskProposal.task_id) == task_id, col(TaskProposal.status) == "merged"
    )
    return (await session.exec(query.limit(1))).first() is not None


async def gather(session: AsyncSession, proposal: TaskProposal) -> None:
    """Set the evidence of the proposal, whose run is locked, to its own and that of all its parts."""
    await session.flush()
    merged = await parts(session, proposal.id)
    own = own_evidence(proposal)
    sets = [own, *map(own_evidence, merged)]
    ids = list(dict.fromkeys(message_id for part in sets for message_id in part["source_message_ids"]))
    proposal.source_message_ids = [UUID(message_id) for message_id in ids]
    proposal.evidence = joined([part["evidence"] for part in sets])
    proposal.message_count = len(ids) if merged else own["message_count"]
    proposal.time_span_seconds = max(part["time_span_seconds"] for part in sets)
    if merged:
        proposal.time_span_seconds = max(proposal.time_span_seconds, await _span(session, proposal.source_message_ids))
    proposal.own_evidence = own if merged else None
    proposal.version += 1
    await session.flush()


def own_evidence(proposal: TaskProposal) -> dict[str, Any]:
    """What the proposal itself rests on: `{source_message_ids, evidence, message_count, time_span_seconds}`."""
    return proposal.own_evidence or {
        "source_message_ids": [str(message_id) for message_id in proposal.source_message_ids],
        "evidence": proposal.evidence,
        "message_count": proposal.message_count,
        "time_span_seconds": proposal.time_span_seconds,
    }


def joined(quotes: Sequence[Sequence[Mapping[str, str]]]) -> list[dict[str, str]]:
    """The quotes of several proposals in their order, each once."""
    found = {(quote["message_id"], quote["quote"]): None for part in quotes for quote in part}
    return [{"message_id": message_id, "quote": words} for message_id, words in found]


async def _span(session: AsyncSession, message_ids: Sequence[UUID]) -> int:
    """Seconds between the first and the last of the messages that are still there."""
    sent_at = col(Message.sent_at)
    query = select(func.min(sent_at), func.max(sent_at)).where(col(Message.id).in_(message_ids))
    first, last = (await session.exec(query)).one()
    return 0 if first is None else int((last - first).total_seconds())
