"""A review: a proposal under decision, locked with its run, and the books that every decision keeps.

Locks are taken in one order everywhere: runs by their ids, then the proposal, then a task. A proposal changes only
under the lock of its run.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from db import audit, evidence, lifecycle, proposals, runs
from db.engine import Database
from db.proposals import audited
from db.versions import check_version
from errors import Conflict, NotFound
from models.actor import Actor
from models.base import now
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.values import ProposalStatus, ReviewAction

_COUNTERS = {
    "pending": "proposals_pending",
    "approved": "proposals_approved",
    "rejected": "proposals_rejected",
    "merged": "proposals_merged",
    "suppressed": "proposals_suppressed",
}
"""The counter of the run for each state of a proposal. All but the last are in the total."""


@dataclass(frozen=True)
class Decision:
    """A decided proposal, and its run as the decision left it. `turned`: it made the run reviewed, or no longer so."""

    proposal: TaskProposal
    run: AnalysisRun
    turned: bool


def no_target(target_id: UUID) -> NotFound:
    return NotFound("merge_target_not_found", f"There is no {target_id} to merge into.")


@asynccontextmanager
async def deciding(
    database: Database,
    proposal_id: UUID,
    actor: Actor,
    version: int | None,
    *,
    into: UUID | None = None,
    and_above: bool = False,
) -> AsyncIterator["Review"]:
    """One transaction that holds the proposal, its run, and the runs of what it is to go `into` or is a part of."""
    async with database.transaction() as session:
        proposal = await proposals.get(session, proposal_id)
        reached = [proposal]
        if into is not None:
            whole = await session.get(TaskProposal, into)
            if whole is None:
                raise no_target(into)
            reached.append(whole)
        if and_above:
            reached += await evidence.above(session, proposal)
        async with runs.holding_all(session, {one.run_id for one in reached}, actor) as held:
            await session.refresh(proposal, with_for_update=True)
            yield Review(held, proposal, actor, version)


class Review:
    """A proposal under decision, its run, and whatever other runs the decision reaches, all locked."""

    def __init__(
        self, held: Mapping[UUID, runs.LockedRun], proposal: TaskProposal, actor: Actor, version: int | None
    ) -> None:
        self._held = held
        self._mine = held[proposal.run_id]
        self._actor = actor
        self._version = version
        self._seen = audited(proposal)
        self._turned = False
        self.session = self._mine.session
        self.proposal = proposal

    @property
    def decision(self) -> Decision:
        return Decision(self.proposal, self._mine.run, self._turned)

    def _check_open(self) -> None:
        if self._mine.run.status == "closed":
            raise Conflict("run_closed", "The run is closed; its decisions stand.")

    def check_pending(self) -> None:
        """409 `already_reviewed`, else `run_closed`; 412 `version_conflict`."""
        status = self.proposal.status
        if status != "pending":
            raise Conflict("already_reviewed", f"The proposal is {status} already.", proposal_status=status)
        self._check_open()
        check_version(self.proposal, self._version)

    def check_decided(self) -> None:
        """409 `run_closed`, else `not_reviewed`; 412 `version_conflict`."""
        self._check_open()
        status = self.proposal.status
        if status == "pending":
            raise Conflict("not_reviewed", f"The proposal is {status}; there is no decision to undo.")
        check_version(self.proposal, self._version)

    def holds(self, reached: Iterable[TaskProposal]) -> bool:
        return all(proposal.run_id in self._held for proposal in reached)

    def sign(self, status: ProposalStatus, action: ReviewAction, notes: str | None) -> None:
        """The proposal is decided."""
        proposal = self.proposal
        proposal.review_action = action
        proposal.reviewed_by = self._actor.name
        proposal.reviewed_at = now()
        proposal.review_notes = notes
        self._move(status, action)

    def unsign(self) -> None:
        """The proposal is pending again; what the decision said is in the audit."""
        proposal = self.proposal
        proposal.task_id = proposal.merged_into_id = proposal.reject_reason = proposal.suppressed_reason = None
        proposal.review_action = proposal.reviewed_by = proposal.reviewed_at = proposal.review_notes = None
        self._move("pending", "reopen")

    def _move(self, status: ProposalStatus, action: str) -> None:
        run = self._mine.run
        for counter, step in ((_COUNTERS[self.proposal.status], -1), (_COUNTERS[status], 1)):
            setattr(run, counter, getattr(run, counter) + step)
        if self.proposal.status == "suppressed":
            run.proposals_total += 1
        self.proposal.status = status
        self.proposal.version += 1
        self._audit(action, self.proposal, self._seen)

    async def tell(self, event: str, **more: str | None) -> None:
        """Record the decision; when it is the last one the run is reviewed, and no longer so when it is undone."""
        run = self._mine.run
        await self._record(event, self.proposal, **more)
        if run.proposals_pending == 0 and run.status == "completed":
            await lifecycle.review(self._mine)
            self._turned = True
        elif run.proposals_pending and run.status == "reviewed":
            self._mine.move("unreview")
            self._mine.audit("unreview")
            self._turned = True

    async def tell_edited(self, action: str, proposal: TaskProposal, fields: list[str]) -> None:
        self._audit(action, proposal, self._seen)
        await self._record("proposal_edited", proposal, fields=fields)

    async def gather(self, whole: TaskProposal, action: str) -> None:
        """Give the proposal the evidence that is now its own and its parts'. One of a closed run stays as it is."""
        if self._held[whole.run_id].run.status == "closed":
            return
        before = audited(whole)
        await evidence.gather(self.session, whole)
        self._audit(action, whole, before)
        await self._record("proposal_edited", whole, fields=["evidence", "source_message_ids"])

    def _audit(self, action: str, proposal: TaskProposal, before: audit.Values) -> None:
        audit.write(self.session, self._actor, action, "proposal", proposal.id, before=before, after=audited(proposal))

    async def _record(self, event: str, proposal: TaskProposal, **more: object) -> None:
        held = self._held[proposal.run_id]
        await held.record(
            event,
            {
                "id": str(proposal.id),
                "run_id": str(proposal.run_id),
                "status": proposal.status,
                "proposed_title": proposal.proposed_title,
                "proposals_pending": held.run.proposals_pending,
                **more,
            },
        )
