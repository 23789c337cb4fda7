"""Many decisions at once: each in its own transaction, so that none waits long for a lock."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.reviewing import Decision
from errors import Refusal
from models.proposal import TaskProposal


@dataclass(frozen=True)
class Failure:
    """A proposal that could not be decided, and the code of the refusal."""

    id: UUID
    code: str


@dataclass
class Outcome:
    """What came of the decisions. `last` holds the last one of each run that has any."""

    done: int = 0
    failed: list[Failure] = field(default_factory=list)
    last: dict[UUID, Decision] = field(default_factory=dict)

    def count(self, decision: Decision) -> None:
        self.done += 1
        before = self.last.get(decision.run.id)
        turned = decision.turned or (before is not None and before.turned)
        self.last[decision.run.id] = Decision(decision.proposal, decision.run, turned)


async def matching(session: AsyncSession, wanted: Sequence[ColumnElement[bool]], limit: int) -> list[UUID]:
    """The ids of the proposals, the oldest first."""
    query = select(TaskProposal.id).where(*wanted).order_by(col(TaskProposal.id)).limit(limit)
    return list((await session.exec(query)).all())


async def decide(ids: Iterable[UUID], decision: Callable[[UUID], Awaitable[Decision]]) -> Outcome:
    """Take the decision about each; a refusal is counted and the next one follows."""
    outcome = Outcome()
    for proposal_id in ids:
        try:
            outcome.count(await decision(proposal_id))
        except Refusal as refusal:
            outcome.failed.append(Failure(proposal_id, refusal.code))
    return outcome
