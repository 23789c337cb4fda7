"""Decisions about proposals: each is one transaction with its counters, events and audit, or nothing at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from db import evidence, tasks
from db.engine import Database
from db.reviewing import Decision, Review, deciding, no_target
from db.runs import LockedRun
from errors import NotFound, Unprocessable
from models.actor import SYSTEM, Actor
from models.base import now
from models.proposal import TaskProposal
from models.task import Task
from models.values import RejectReason


@dataclass(frozen=True)
class Target:
    """What a proposal is merged into: a task or another proposal."""

    task_id: UUID | None = None
    proposal_id: UUID | None = None


class _RunsMovedError(Exception):
    """While the locks were awaited, another decision changed which runs are concerned."""


async def approve(
    database: Database, proposal_id: UUID, *, actor: Actor, notes: str | None = None, version: int | None = None
) -> Decision:
    """pending → approved, with a task: a new one, or the one of an approval that was undone.

    404 `proposal_not_found`; 409 `already_reviewed`, `run_closed`; 412 `version_conflict`.
    """
    async with deciding(database, proposal_id, actor, version) as review:
        review.check_pending()
        await _approve(review, actor, notes)
    return review.decision


async def approve_found(held: LockedRun, proposal: TaskProposal) -> None:
    """Approve a proposal that was just found in the run, by the rule of its project."""
    await held.session.flush()
    await _approve(Review({held.run.id: held}, proposal, SYSTEM, None), SYSTEM, None)


async def _approve(review: Review, actor: Actor, notes: str | None) -> None:
    task = await tasks.of_approval(review.session, review.proposal, actor)
    review.proposal.task_id, review.proposal.withdrawn_task_id = task.id, None
    review.sign("approved", "approve", notes)
    await tasks.count_reports(review.session, task)
    await review.tell("proposal_approved", task_id=str(task.id))


async def reject(
    database: Database,
    proposal_id: UUID,
    *,
    actor: Actor,
    reason: RejectReason,
    notes: str | None = None,
    version: int | None = None,
) -> Decision:
    """pending → rejected; refuses like an approval."""
    async with deciding(database, proposal_id, actor, version) as review:
        review.check_pending()
        review.proposal.reject_reason = reason
        review.sign("rejected", "reject", notes)
        await review.tell("proposal_rejected", reason=reason)
    return review.decision


async def edit(
    database: Database, proposal_id: UUID, changes: Mapping[str, Any], *, actor: Actor, version: int
) -> Decision:
    """Change fields of a pending proposal; what is as it was is no change. Refuses like an approval, and with 400
    `unknown_project`."""
    async with deciding(database, proposal_id, actor, version) as review:
        review.check_pending()
        proposal = review.proposal
        changed = {name: value for name, value in changes.items() if getattr(proposal, name) != value}
        if "project_config_id" in changed:
            await tasks.check_project(review.session, changed["project_config_id"])
        if changed:
            for name, value in changed.items():
                setattr(proposal, name, value)
            proposal.edited_at = now()
            proposal.version += 1
            await review.tell_edited("edit", proposal, sorted(changed))
    return review.decision


async def merge(
    database: Database,
    proposal_id: UUID,
    target: Target,
    *,
    actor: Actor,
    notes: str | None = None,
    version: int | None = None,
) -> Decision:
    """pending → merged: its evidence becomes the target's, and counts as one more report of the task.

    Refuses like an approval, and with 404 `merge_target_not_found`, 422 `merge_target_invalid`.
    """
    async with deciding(database, proposal_id, actor, version, into=target.proposal_id) as review:
        review.check_pending()
        session, proposal = review.session, review.proposal
        whole = None if target.proposal_id is None else await _whole(session, proposal, target.proposal_id)
        task_id = target.task_id if whole is None else whole.task_id
        task = None if task_id is None else await _task(session, task_id)
        proposal.task_id = task_id
        proposal.merged_into_id = target.proposal_id
        review.sign("merged", "merge", notes)
        await review.tell(
            "proposal_merged",
            target_task_id=None if task_id is None else str(task_id),
            target_proposal_id=None if whole is None else str(whole.id),
        )
        if whole is not None:
            await review.gather(whole, "gain_evidence")
        if task is not None:
            await tasks.recount_reports(session, task, actor, "merge")
    return review.decision


async def _whole(session: AsyncSession, part: TaskProposal, whole_id: UUID) -> TaskProposal:
    """The proposal to merge into. Its run is locked."""
    whole = await session.get(TaskProposal, whole_id, populate_existing=True)
    if whole is None:
        raise no_target(whole_id)
    if whole.id == part.id:
        raise Unprocessable("merge_target_invalid", "A proposal can't be merged into itself.")
    if whole.status not in ("pending", "approved"):
        raise Unprocessable("merge_target_invalid", f"The target is {whole.status}; merge into what it became.")
    return whole


async def _task(session: AsyncSession, task_id: UUID) -> Task:
    """The task to merge into, locked."""
    try:
        task = await tasks.lock(session, task_id)
    except NotFound:
        raise no_target(task_id) from None
    if task.status == "withdrawn":
        raise Unprocessable("merge_target_invalid", "The target is withdrawn.")
    return task


async def reopen(database: Database, proposal_id: UUID, *, actor: Actor, version: int | None = None) -> Decision:
    """Undo the decision: the proposal is pending again. The task of an approved one becomes `withdrawn`; a merged one
    takes its evidence back; a suppressed one is counted from then on.

    404 `proposal_not_found`; 409 `not_reviewed`, `run_closed`, and `task_linked` where something was merged into the
    task or a tracker has it; 412 `version_conflict`.
    """
    while True:
        try:
            return await _reopen(database, proposal_id, actor, version)
        except _RunsMovedError:
            continue  # only after another decision has gone through


async def _reopen(database: Database, proposal_id: UUID, actor: Actor, version: int | None) -> Decision:
    async with deciding(database, proposal_id, actor, version, and_above=True) as review:
        review.check_decided()
        session, proposal, was = review.session, review.proposal, review.proposal.status
        wholes = await evidence.above(session, proposal)
        if not review.holds(wholes):
            raise _RunsMovedError
        task_id = [proposal, *wholes][-1].task_id
        task = None if task_id is None else await tasks.lock(session, task_id)
        if task is not None and was == "approved":
            await tasks.withdraw(session, task, actor)
            proposal.withdrawn_task_id = task_id
        review.unsign()
        await review.tell("proposal_reopened", was=was)
        for whole in wholes:
            await review.gather(whole, "lose_evidence")
        if task is not None and was == "approved":
            await tasks.count_reports(session, task)
        elif task is not None:
            await tasks.recount_reports(session, task, actor, "reopen")
    return review.decision
