"""What must be true after any decisions, in any order, by any number of people."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.engine import Database
from models.audit import AuditEntry
from models.proposal import TaskProposal
from models.run import AnalysisRun, RunEvent
from models.task import Task

Evidence = Mapping[UUID, frozenset[UUID]]
"""The message ids of each proposal, as it was found."""

_DECISIONS = {"proposal_approved": "approved", "proposal_rejected": "rejected", "proposal_merged": "merged"}
_ACTIONS = {"approve", "reject", "merge", "reopen", "edit", "gain_evidence", "lose_evidence"}


@dataclass(frozen=True)
class Books:
    """All rows that the decisions about some runs touch."""

    runs: list[AnalysisRun]
    proposals: list[TaskProposal]
    events: list[RunEvent]
    tasks: list[Task]
    audit: list[AuditEntry]

    @classmethod
    async def read(cls, session: AsyncSession, run_ids: Collection[UUID]) -> "Books":
        runs = list((await session.exec(select(AnalysisRun).where(col(AnalysisRun.id).in_(run_ids)))).all())
        of_runs = select(TaskProposal).where(col(TaskProposal.run_id).in_(run_ids))
        proposals = list((await session.exec(of_runs.order_by(col(TaskProposal.id)))).all())
        of_events = select(RunEvent).where(col(RunEvent.run_id).in_(run_ids))
        events = list((await session.exec(of_events.order_by(col(RunEvent.run_id), col(RunEvent.seq)))).all())
        of_tasks = {one for row in proposals for one in (row.task_id, row.withdrawn_task_id) if one is not None}
        tasks = list((await session.exec(select(Task).where(col(Task.id).in_(of_tasks)))).all())
        entities = [row.id for row in proposals] + [task.id for task in tasks]
        of_audit = select(AuditEntry).where(col(AuditEntry.entity_id).in_(entities))
        audit = list((await session.exec(of_audit.order_by(col(AuditEntry.id)))).all())
        return cls(runs, proposals, events, tasks, audit)

    def check(self, found: Evidence) -> None:
        """AssertionError where two of them disagree."""
        for run in self.runs:
            self._check_run(run)
        for proposal in self.proposals:
            self._check_proposal(proposal)
            if self._run_of(proposal).status != "closed":
                assert set(proposal.source_message_ids) == self._evidence(proposal, found)
                assert len(proposal.source_message_ids) == len(self._evidence(proposal, found))
        self._check_tasks()

    def _run_of(self, proposal: TaskProposal) -> AnalysisRun:
        return next(run for run in self.runs if run.id == proposal.run_id)

    def _check_run(self, run: AnalysisRun) -> None:
        statuses = Counter(row.status for row in self.proposals if row.run_id == run.id)
        counters = (run.proposals_pending, run.proposals_approved, run.proposals_rejected, run.proposals_merged)
        assert counters == tuple(statuses[word] for word in ("pending", "approved", "rejected", "merged"))
        assert run.proposals_suppressed == statuses.pop("suppressed", 0)
        assert run.proposals_total == statuses.total()
        if run.status in ("completed", "reviewed"):
            assert run.status == ("reviewed" if statuses["pending"] == 0 else "completed")
        events = [event for event in self.events if event.run_id == run.id]
        assert [event.seq for event in events] == list(range(1, run.last_seq + 1))
        self._check_story(events, statuses.total())

    def _check_story(self, events: list[RunEvent], total: int) -> None:
        """Told one after the other, the events are a review that could have been."""
        pending, reviewed = total, False
        for event in events:
            if event.event in _DECISIONS:
                pending -= 1
            elif event.event == "proposal_reopened":
                pending += 1
                reviewed = False
            elif event.event == "run_reviewed":
                assert (pending, reviewed) == (0, False)
                reviewed = True
                continue
            elif event.event != "proposal_edited":
                continue
            assert event.data["proposals_pending"] == pending

    def _check_proposal(self, proposal: TaskProposal) -> None:
        events = [event for event in self.events if event.data.get("id") == str(proposal.id)]
        status = "pending"
        for event in events:
            if event.event in _DECISIONS:
                assert status == "pending", "two decisions without an undoing between them"
                status = _DECISIONS[event.event]
            elif event.event == "proposal_reopened":
                assert status == event.data["was"] != "pending"
                status = "pending"
        assert status == proposal.status
        assert proposal.version == 1 + len(events)
        audited = [entry for entry in self.audit if entry.entity_id == proposal.id and entry.action in _ACTIONS]
        assert len(audited) == len(events)
        assert (proposal.reviewed_by is None) == (proposal.reviewed_at is None) == (status == "pending")
        assert (proposal.reject_reason is not None) == (status == "rejected")
        assert (proposal.task_id is not None or proposal.merged_into_id is not None) == (
            status in ("approved", "merged")
        )

    def _check_tasks(self) -> None:
        approved = [row.task_id for row in self.proposals if row.status == "approved"]
        withdrawn = [row.withdrawn_task_id for row in self.proposals if row.withdrawn_task_id is not None]
        assert len({*approved, *withdrawn}) == len(approved) + len(withdrawn) == len(self.tasks)
        for task in self.tasks:
            assert (task.status == "withdrawn") == (task.id in withdrawn)
            assert task.incident_count == len(self._reports(task))
            assert sum(entry.action == "create" for entry in self.audit if entry.entity_id == task.id) == 1

    def _reports(self, task: Task) -> set[UUID]:
        roots = [row for row in self.proposals if row.task_id == task.id]
        return {one for root in roots for one in self._tree(root)}

    def _tree(self, proposal: TaskProposal) -> set[UUID]:
        parts = [row for row in self.proposals if row.merged_into_id == proposal.id]
        return {proposal.id} | {one for part in parts for one in self._tree(part)}

    def _evidence(self, proposal: TaskProposal, found: Evidence) -> set[UUID]:
        return {message_id for one in self._tree(proposal) for message_id in found[one]}


async def check_books(database: Database, run_ids: Collection[UUID], found: Evidence) -> Books:
    """The books, once they have been checked."""
    async with database.transaction() as session:
        books = await Books.read(session, run_ids)
    books.check(found)
    return books
