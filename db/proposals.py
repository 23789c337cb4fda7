"""Proposals found."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import audit
from errors import NotFound
from models.actor import Actor
from models.audit import AuditEntry
from models.message import Message
from models.proposal import TaskProposal
from models.task import Task
from models.values import Category, ProposalStatus

Sort = Literal["confidence", "created_at"]

_AUDITED = (
    "status",
    "suppressed_reason",
    "task_id",
    "merged_into_id",
    "reject_reason",
    "review_notes",
    "proposed_title",
    "proposed_description",
    "proposed_priority",
    "proposed_category",
    "proposed_tags",
    "proposed_assignee",
    "due_date",
    "project_config_id",
    "message_count",
)


def not_found(proposal_id: UUID) -> NotFound:
    return NotFound("proposal_not_found", f"There is no proposal {proposal_id}.")


async def get(session: AsyncSession, proposal_id: UUID) -> TaskProposal:
    """404 `proposal_not_found`."""
    proposal = await session.get(TaskProposal, proposal_id)
    if proposal is None:
        raise not_found(proposal_id)
    return proposal


def made(proposal: TaskProposal) -> AuditEntry:
    """The entry of the audit about what a model found: it is the model who made it."""
    actor = Actor.model(proposal.model)
    return audit.entry(actor, "create", "proposal", proposal.id, before=None, after=audited(proposal))


def audited(proposal: TaskProposal) -> dict[str, object]:
    """What the audit tells of a proposal."""
    return {name: getattr(proposal, name) for name in _AUDITED}


def conditions(
    *,
    run_id: UUID | None = None,
    status: ProposalStatus | None = None,
    min_confidence: float | None = None,
    max_confidence: float | None = None,
    project_config_id: UUID | None = None,
    category: Category | None = None,
    reviewed_by: str | None = None,
    suppressed: bool = False,
) -> list[ColumnElement[bool]]:
    """What a list is filtered by; None filters nothing. Those that are suppressed are left out unless they are asked
    for, all of them or by their status."""
    wanted: list[ColumnElement[bool]] = []
    if status is None and not suppressed:
        wanted.append(counted())
    if run_id is not None:
        wanted.append(col(TaskProposal.run_id) == run_id)
    if status is not None:
        wanted.append(col(TaskProposal.status) == status)
    if min_confidence is not None:
        wanted.append(col(TaskProposal.confidence) >= min_confidence)
    if max_confidence is not None:
        wanted.append(col(TaskProposal.confidence) <= max_confidence)
    if project_config_id is not None:
        wanted.append(col(TaskProposal.project_config_id) == project_config_id)
    if category is not None:
        wanted.append(col(TaskProposal.proposed_category) == category)
    if reviewed_by is not None:
        wanted.append(col(TaskProposal.reviewed_by) == reviewed_by)
    return wanted


def counted() -> ColumnElement[bool]:
    """Those that are in the totals of their run."""
    return col(TaskProposal.status) != "suppressed"


def pending() -> ColumnElement[bool]:
    """Those that wait for a decision."""
    return col(TaskProposal.status) == "pending"


def decided() -> ColumnElement[bool]:
    """Those whose decision can be undone."""
    return col(TaskProposal.status).in_(("approved", "rejected", "merged"))


async def listed(
    session: AsyncSession,
    wanted: Sequence[ColumnElement[bool]],
    *,
    sort: Sort = "confidence",
    after: tuple[float, UUID] | None,
    limit: int,
) -> list[TaskProposal]:
    """Proposals by falling confidence, or the newest first, after the (confidence, id) of the page before."""
    query = select(TaskProposal).where(*wanted)
    # An id is a UUIDv7: its order is the order of creation.
    order = (col(TaskProposal.confidence), col(TaskProposal.id)) if sort == "confidence" else (col(TaskProposal.id),)
    if after is not None:
        query = query.where(tuple_(*order) < (after if sort == "confidence" else after[1:]))
    query = query.order_by(*(column.desc() for column in order)).limit(limit)
    return list((await session.exec(query)).all())


async def count(session: AsyncSession, wanted: Sequence[ColumnElement[bool]]) -> int:
    return (await session.exec(select(func.count()).select_from(TaskProposal).where(*wanted))).one()


async def evidence_messages(session: AsyncSession, proposal: TaskProposal) -> list[Message]:
    """The messages that the proposal rests on, in the order in which they were sent."""
    query = (
        select(Message)
        .where(col(Message.id).in_(proposal.source_message_ids))
        .order_by(col(Message.sent_at), col(Message.id))
    )
    return list((await session.exec(query)).all())


async def similar_tasks(session: AsyncSession, proposal: TaskProposal) -> list[Task]:
    if proposal.similar_task_id is None:
        return []
    return list((await session.exec(select(Task).where(col(Task.id) == proposal.similar_task_id))).all())


async def messages_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Message]:
    """The messages with these ids that are still there."""
    rows = (await session.exec(select(Message).where(col(Message.id).in_(ids)))).all()
    return {row.id: row for row in rows}
