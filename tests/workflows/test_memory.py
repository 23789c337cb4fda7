"""What earlier runs found is remembered by later ones, over restarts of the worker."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from db import decisions, messages
from db.decisions import Target
from models.actor import LOCAL
from models.conversation import IncomingMessage
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.task import Task
from models.values import RejectReason
from settings import Settings
from tests.support.builders import add_project
from tests.support.model_answers import Answer, ShownLine
from tests.support.model_server import ModelServer
from tests.support.working import START, Operator, working

WISHES = ["fix the login on Safari", "order coffee for the office", "publish the March report", "rename the repository"]


def _one_each(lines: list[ShownLine]) -> Answer:
    """A proposal for every message that asks for something, in the words of the message."""
    return {
        "proposals": [
            {
                "title": line.text.removeprefix("please ").capitalize(),
                "category": "chore",
                "confidence": 0.8,
                "source_message_ids": [line.ref],
            }
            for line in lines
            if line.text.startswith("please ")
        ]
    }


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(answer=_one_each) as server:
        yield server


class Team:
    """Writes messages, has them analysed and decides on what comes of them, each run with a worker of its own."""

    def __init__(self, operator: Operator, settings: Settings, assignment: UUID) -> None:
        self.operator = operator
        self._settings = settings
        self.assignment = assignment

    async def says(self, *texts: str, day: int = 0) -> None:
        """Messages of a day; saying something else in the same place edits the message."""
        said = [
            IncomingMessage("dev", f"{day}-{at}", "ada", START + timedelta(days=day, minutes=at), f"please {wish}")
            for at, wish in enumerate(texts)
        ]
        async with self.operator.database.transaction() as session:
            await messages.store(session, {"test": said}, source_type="api")

    async def analyses(self, *, day: int = 0) -> tuple[AnalysisRun, dict[str, TaskProposal]]:
        """A run over the thirty days from `day` on, and its proposals by their titles."""
        async with working(self._settings):
            run_id = await self.operator.started_run(self.assignment, day=day, use_cache=False)
            await self.operator.until(run_id, "completed", "reviewed", "failed")
            run = await self.operator.check_books(run_id)
        return run, {proposal.proposed_title: proposal for proposal in await self.operator.proposals(run_id)}

    async def approves(self, proposal: TaskProposal) -> UUID:
        decision = await decisions.approve(self.operator.database, proposal.id, actor=LOCAL)
        assert decision.proposal.task_id is not None
        return decision.proposal.task_id

    async def rejects(self, proposal: TaskProposal, reason: RejectReason = "not_a_task") -> None:
        await decisions.reject(self.operator.database, proposal.id, actor=LOCAL, reason=reason)

    async def closes(self, run: AnalysisRun) -> None:
        async with working(self._settings):
            await self.operator.commands.close(run.id)
            await self.operator.until(run.id, "closed")

    async def frees_the_window(self, run: AnalysisRun) -> None:
        """Let another run have the window though proposals of this one wait."""
        async with self.operator.database.transaction() as session:
            await session.execute(text("UPDATE analysis_runs SET status = 'cancelled' WHERE id = :id"), {"id": run.id})


@pytest.fixture
async def team(operator: Operator, settings: Settings, model: ModelServer) -> Team:
    return Team(operator, settings, await operator.assignment(model.base_url))


async def test_the_same_window_again_gives_nothing_to_review_whatever_was_decided(team: Team) -> None:
    await team.says(*WISHES)
    first, found = await team.analyses()
    login, coffee, report, rename = (found[wish.capitalize()] for wish in WISHES)
    task = await team.approves(login)
    await team.rejects(coffee)
    await decisions.merge(team.operator.database, report.id, Target(task_id=task), actor=LOCAL)
    await team.frees_the_window(first)

    second, again = await team.analyses()
    assert (second.status, second.proposals_total, second.proposals_suppressed) == ("completed", 0, 4)
    assert {one.proposed_title: (one.suppressed_reason, one.similar_proposal_id) for one in again.values()} == {
        login.proposed_title: ("known_task", login.id),
        coffee.proposed_title: ("rejected_before", coffee.id),
        report.proposed_title: ("known_task", report.id),
        rename.proposed_title: ("pending_elsewhere", rename.id),
    }
    assert again[report.proposed_title].similar_task_id == again[login.proposed_title].similar_task_id == task
    assert not any(event.event == "proposals_created" for event in await team.operator.events(second.id))
    await team.closes(second)
    closed = await team.operator.run(second.id)
    assert closed.accuracy_metrics is not None
    assert (closed.status, closed.accuracy_metrics["proposals_total"]) == ("closed", 0)


async def test_what_was_merged_into_a_proposal_of_another_window_is_known_too(team: Team) -> None:
    await team.says(WISHES[0])
    await team.says(WISHES[0], day=40)
    _, monday = await team.analyses()
    second, tuesday = await team.analyses(day=40)
    whole, part = monday[WISHES[0].capitalize()], tuesday[WISHES[0].capitalize()]
    await decisions.merge(team.operator.database, part.id, Target(proposal_id=whole.id), actor=LOCAL)
    await team.frees_the_window(second)
    third, again = await team.analyses(day=40)
    assert (third.proposals_total, third.proposals_suppressed) == (0, 1)
    assert again[WISHES[0].capitalize()].similar_proposal_id == whole.id


async def test_what_was_rejected_stays_rejected_when_its_message_is_put_in_other_words(team: Team) -> None:
    await team.says("fix the login on Safari")
    first, found = await team.analyses()
    await team.rejects(found["Fix the login on safari"], "other")
    await team.closes(first)
    await team.says("repair Safari's login")
    second, again = await team.analyses()
    assert second.proposals_total == 0
    assert again["Repair safari's login"].suppressed_reason == "rejected_before"


async def test_what_is_added_to_a_message_comes_back_as_news_of_its_task(team: Team) -> None:
    await team.says("order coffee for the office")
    first, found = await team.analyses()
    task = await team.approves(found["Order coffee for the office"])
    await team.closes(first)
    await team.says("order coffee for the office and milk")
    second, again = await team.analyses()
    (news,) = again.values()
    assert (second.proposals_pending, news.llm_recommendation, news.similar_task_id) == (1, "update_existing", task)


async def test_a_wish_of_a_later_window_that_was_turned_down_before_is_suppressed(team: Team) -> None:
    await team.says("buy a new coffee machine", "update the docs")
    first, found = await team.analyses()
    for proposal in found.values():
        await team.rejects(proposal)
    await team.closes(first)
    await team.says("buy a new coffee machine!", "buy a new keyboard for Ann", day=40)
    second, again = await team.analyses(day=40)
    assert (second.proposals_pending, second.proposals_suppressed) == (1, 1)
    assert again["Buy a new coffee machine!"].suppressed_reason == "rejected_before"
    assert again["Buy a new keyboard for ann"].status == "pending"


async def test_what_is_a_task_comes_back_as_news_of_it(team: Team) -> None:
    await team.says("order a new coffee machine for the office")
    first, found = await team.analyses()
    task = await team.approves(found["Order a new coffee machine for the office"])
    await team.closes(first)
    await team.says("order that coffee machine for the office", day=40)
    second, again = await team.analyses(day=40)
    (news,) = again.values()
    assert (second.proposals_pending, news.status) == (1, "pending")
    assert (news.llm_recommendation, news.similar_task_id, news.similarity_type) == (
        "update_existing",
        task,
        "semantic",
    )
    merged = await decisions.merge(team.operator.database, news.id, Target(task_id=task), actor=LOCAL)
    assert merged.run.status == "reviewed"
    async with team.operator.database.transaction() as session:
        known = (await session.exec(select(Task).where(col(Task.id) == task))).one()
    assert known.incident_count == 2


async def test_a_suppressed_proposal_can_be_brought_back(team: Team) -> None:
    await team.says("fix the login on Safari")
    first, found = await team.analyses()
    await team.rejects(found["Fix the login on safari"])
    await team.closes(first)
    second, again = await team.analyses()
    (quiet,) = again.values()
    reopened = await decisions.reopen(team.operator.database, quiet.id, actor=LOCAL)
    run = await team.operator.check_books(second.id)
    assert (reopened.proposal.status, reopened.proposal.suppressed_reason) == ("pending", None)
    assert (run.proposals_total, run.proposals_pending, run.proposals_suppressed) == (1, 1, 0)
    await team.approves(reopened.proposal)
    assert (await team.operator.check_books(second.id)).status == "reviewed"


async def test_another_project_asks_its_own_question(team: Team, settings: Settings) -> None:
    await team.says(*WISHES)
    operator = team.operator
    async with working(settings):
        for project in (None, await add_project(operator.database)):
            run_id = await operator.pending_run(team.assignment, project=project, use_cache=False)
            await operator.commands.start(run_id)
            await operator.until(run_id, "completed", "failed")
            run = await operator.check_books(run_id)
            assert (run.proposals_pending, run.proposals_suppressed) == (4, 0)
