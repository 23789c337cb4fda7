"""Proposals found, and decided: each decision is one transaction under the lock of the run's row."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import runs
from db.engine import Database
from errors import Conflict, NotFound
from models.base import new_id, now
from models.message import Message
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.task import Task
from models.values import ProposalStatus, RejectReason

Sort = Literal["confidence", "created_at"]


def not_found(proposal_id: UUID) -> NotFound:
    return NotFound("proposal_not_found", f"There is no proposal {proposal_id}.")


async def get(session: AsyncSession, proposal_id: UUID) -> TaskProposal:
    """404 `proposal_not_found`."""
    proposal = await session.get(TaskProposal, proposal_id)
    if proposal is None:
        raise not_found(proposal_id)
    return proposal


def conditions(
    *,
    run_id: UUID | None = None,
    status: ProposalStatus | None = None,
    min_confidence: float | None = None,
    project_config_id: UUID | None = None,
) -> list[ColumnElement[bool]]:
    """What a list is filtered by; None filters nothing."""
    wanted: list[ColumnElement[bool]] = []
    if run_id is not None:
        wanted.append(col(TaskProposal.run_id) == run_id)
    if status is not None:
        wanted.append(col(TaskProposal.status) == status)
    if min_confidence is not None:
        wanted.append(col(TaskProposal.confidence) >= min_confidence)
    if project_config_id is not None:
        wanted.append(col(TaskProposal.project_config_id) == project_config_id)
    return wanted


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


@dataclass(frozen=True)
class Decision:
    """A decided proposal, and its run as the decision left it."""

    proposal: TaskProposal
    run: AnalysisRun


async def approve(database: Database, proposal_id: UUID, *, actor: str, notes: str | None) -> Decision:
    """pending → approved, with a new task; 404, 409 `already_reviewed` or `run_closed`."""
    async with _deciding(database, proposal_id) as (held, proposal):
        task = _task_of(proposal)
        held.session.add(task)
        await held.session.flush()
        proposal.status = "approved"
        proposal.review_action = "approve"
        proposal.task_id = task.id
        _sign(proposal, actor, notes)
        held.run.proposals_pending -= 1
        held.run.proposals_approved += 1
        await _tell(held, "proposal_approved", proposal, task_id=str(task.id))
    return Decision(proposal, held.run)


async def reject(
    database: Database, proposal_id: UUID, *, actor: str, reason: RejectReason, notes: str | None
) -> Decision:
    """pending → rejected; 404, 409 `already_reviewed` or `run_closed`."""
    async with _deciding(database, proposal_id) as (held, proposal):
        proposal.status = "rejected"
        proposal.review_action = "reject"
        proposal.reject_reason = reason
        _sign(proposal, actor, notes)
        held.run.proposals_pending -= 1
        held.run.proposals_rejected += 1
        await _tell(held, "proposal_rejected", proposal, reason=reason)
    return Decision(proposal, held.run)


@asynccontextmanager
async def _deciding(database: Database, proposal_id: UUID) -> AsyncIterator[tuple[runs.LockedRun, TaskProposal]]:
    """A pending proposal and its run, both locked, the run's row first as everywhere."""
    async with database.transaction() as session:
        run_id = (await get(session, proposal_id)).run_id
        async with runs.holding(session, run_id) as held:
            proposal = await session.get(TaskProposal, proposal_id, with_for_update=True, populate_existing=True)
            if proposal is None:
                raise not_found(proposal_id)
            if held.run.status == "closed":
                raise Conflict("run_closed", "The run is closed; its decisions stand.")
            if proposal.status != "pending":
                detail = f"The proposal is {proposal.status} already."
                raise Conflict("already_reviewed", detail, proposal_status=proposal.status)
            yield held, proposal


def _sign(proposal: TaskProposal, actor: str, notes: str | None) -> None:
    proposal.reviewed_by = actor
    proposal.reviewed_at = now()
    proposal.review_notes = notes
    proposal.version += 1


async def _tell(held: runs.LockedRun, event: str, proposal: TaskProposal, **more: str) -> None:
    """Record the decision, and the end of the review when this was the last one."""
    run = held.run
    await held.record(
        event,
        {
            "id": str(proposal.id),
            "run_id": str(run.id),
            "status": proposal.status,
            "proposed_title": proposal.proposed_title,
            "proposals_pending": run.proposals_pending,
            **more,
        },
    )
    if run.proposals_pending == 0 and run.status == "completed":
        held.move("review")
        await held.record("run_reviewed", _reviewed(run))


def _reviewed(run: AnalysisRun) -> dict[str, object]:
    return {"id": str(run.id), "run_id": str(run.id), "status": run.status, "proposals_total": run.proposals_total}


def _task_of(proposal: TaskProposal) -> Task:
    return Task(
        id=new_id(),
        title=proposal.proposed_title,
        description=proposal.proposed_description,
        priority=proposal.proposed_priority,
        category=proposal.proposed_category,
        tags=list(proposal.proposed_tags),
        assignee=proposal.proposed_assignee,
        due_date=proposal.due_date,
        project_config_id=proposal.project_config_id,
    )
