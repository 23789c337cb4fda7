"""Whatever several reviewers do at once, the books agree afterwards."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db import bulk, decisions, proposals
from db.decisions import Target
from db.defaults import ensure_offline_assignment
from db.engine import Database
from db.reviewing import Decision
from errors import Refusal
from models.actor import Actor
from models.base import new_id
from models.proposal import TaskProposal
from models.run import AnalysisRun
from tests.support.books import check_books
from tests.support.builders import START

PROPOSALS = 3
"""Proposals of an example, in turn of one run and of another."""
EXPECTED = {
    "already_reviewed", "not_reviewed", "task_linked", "merge_target_invalid", "version_conflict",
}  # fmt: skip

_numbers = itertools.count()


@dataclass(frozen=True)
class Act:
    """One thing that a reviewer does: to the proposal `about`, and where it takes two, with the proposal `other`."""

    name: str
    about: int
    other: int = 0


OFTEN = ("approve", "reject", "edit", "merge", "reopen", "reopen")
BULKS = ("bulk_approve", "bulk_reject", "bulk_reopen")
positions = st.integers(0, PROPOSALS - 1)
acts = st.builds(
    Act,
    st.sampled_from([*OFTEN, *OFTEN, *OFTEN, "edit_stale", "merge_into_task", *BULKS]),
    positions,
    positions,
)
# What was done about each proposal before, and then what each of several reviewers does one after the other.
openings = st.sampled_from(["nothing", "approve", "approve", "reject", "merge", "merge_into_task"])
befores = st.tuples(*(st.builds(Act, openings, st.just(position), positions) for position in range(PROPOSALS)))
reviews = st.lists(st.lists(acts, min_size=1, max_size=2), min_size=2, max_size=3)


@dataclass(frozen=True)
class Desk:
    """The proposals that the reviewers sit before."""

    database: Database
    ids: list[UUID]

    async def review(self, number: int, acts: Sequence[Act]) -> list[str]:
        """What came of each: `done`, or the code of the refusal."""
        actor = Actor("key", str(new_id()), f"reviewer {number}")
        return [await self._outcome(act, actor) for act in acts]

    async def _outcome(self, act: Act, actor: Actor) -> str:
        try:
            await self._do(act, actor)
        except Refusal as refusal:
            return refusal.code
        return "done"

    async def _do(self, act: Act, actor: Actor) -> object:
        one, other = self.ids[act.about], self.ids[act.other]
        match act.name:
            case "nothing":
                return None
            case "approve":
                return await decisions.approve(self.database, one, actor=actor)
            case "reject":
                return await decisions.reject(self.database, one, actor=actor, reason="other")
            case "edit" | "edit_stale":
                seen = (await self._row(one)).version - (act.name == "edit_stale")
                title = f"Fix part {next(_numbers)}"
                changes = {"proposed_title": title}
                return await decisions.edit(self.database, one, changes, actor=actor, version=seen)
            case "merge":
                return await decisions.merge(self.database, one, Target(proposal_id=other), actor=actor)
            case "merge_into_task":
                task_id = (await self._row(other)).task_id
                if task_id is None:
                    return None
                return await decisions.merge(self.database, one, Target(task_id=task_id), actor=actor)
            case "reopen":
                return await decisions.reopen(self.database, one, actor=actor)
            case _:
                return await self._in_bulk(act.name.removeprefix("bulk_"), actor)

    async def _in_bulk(self, action: str, actor: Actor) -> bulk.Outcome:
        choices: dict[str, Callable[[UUID], Awaitable[Decision]]] = {
            "approve": lambda one: decisions.approve(self.database, one, actor=actor),
            "reject": lambda one: decisions.reject(self.database, one, actor=actor, reason="duplicate"),
            "reopen": lambda one: decisions.reopen(self.database, one, actor=actor),
        }
        outcome = await bulk.decide(self.ids, choices[action])
        assert outcome.done + len(outcome.failed) == len(self.ids)
        assert {failure.code for failure in outcome.failed} <= EXPECTED
        return outcome

    async def _row(self, proposal_id: UUID) -> TaskProposal:
        async with self.database.transaction() as session:
            return await proposals.get(session, proposal_id)


@pytest.fixture
async def assignment(database: Database) -> UUID:
    async with database.engine.begin() as connection:
        name = database.engine.url.database
        await connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
    return await ensure_offline_assignment(database)


async def two_runs(database: Database, assignment: UUID) -> list[TaskProposal]:
    """The pending proposals of two completed runs, each on messages of its own and one that all share."""
    shared, number = new_id(), next(_numbers)
    runs = [
        AnalysisRun(
            status="completed",
            time_window_start=START + timedelta(days=2 * number + part),
            time_window_end=START + timedelta(days=2 * number + part + 1),
            agent_assignment_id=assignment,
            proposals_total=len(range(part, PROPOSALS, 2)),
            proposals_pending=len(range(part, PROPOSALS, 2)),
        )
        for part in range(2)
    ]
    rows = [
        TaskProposal(
            run_id=runs[position % 2].id,
            batch_no=1,
            ordinal=position,
            proposed_title=f"Task {position}",
            confidence=0.5,
            source_message_ids=[new_id(), shared],
            message_count=2,
            model="m",
            prompt_version="1",
        )
        for position in range(PROPOSALS)
    ]
    async with database.transaction() as session:
        session.add_all(runs)
        await session.flush()
        session.add_all(rows)
    return rows


@settings(
    max_examples=500,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=befores, acts_of_all=reviews)
async def test_the_books_agree_whatever_reviewers_do_at_once(
    database: Database, assignment: UUID, before: tuple[Act, ...], acts_of_all: list[list[Act]]
) -> None:
    rows = await two_runs(database, assignment)
    found = {row.id: frozenset(row.source_message_ids) for row in rows}
    desk = Desk(database, [row.id for row in rows])
    await desk.review(0, before)
    outcomes = await asyncio.gather(*(desk.review(number, acts) for number, acts in enumerate(acts_of_all, 1)))
    assert {outcome for part in outcomes for outcome in part} <= EXPECTED | {"done"}
    await check_books(database, {row.run_id for row in rows}, found)
