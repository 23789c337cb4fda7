"""`duplicates: "model"`: the run's model is asked about doubtful duplicates, once, and can hold nothing up."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from activities.judging import Judging
from activities.questions import Question
from analysis.same_work import Pair, PairsPrompt
from db import messages
from models.conversation import IncomingMessage
from models.proposal import TaskProposal
from settings import Settings
from tests.support.model_answers import Answer, ShownLine
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.working import START, Operator, working

FIRST, SECOND = "Book a venue for the December offsite", "Reserve a location for the December offsite"
QUESTION = "<<<PAIRS"


def _one(lines: list[ShownLine]) -> Answer:
    title = FIRST if "first" in lines[0].text else SECOND
    return {
        "proposals": [
            {"title": title, "category": "chore", "confidence": 0.8, "source_message_ids": [line.ref]}
            for line in lines[:1]
        ]
    }


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(answer=_one) as server:
        yield server


async def _run(operator: Operator, model: ModelServer, measuring: Settings, **options: Any) -> UUID:
    assignment = await operator.assignment(model.base_url)
    return await _run_of(operator, assignment, measuring, **options)


async def _run_of(operator: Operator, assignment: UUID, measuring: Settings, **options: Any) -> UUID:
    """A run that finds both titles, the second one after the first."""
    said = [
        IncomingMessage(channel, channel, "ada", START, f"do the {channel} thing")
        for channel in ("1-first", "2-second")
    ]
    async with operator.database.transaction() as session:
        await messages.store(session, {"test": said}, source_type="api")
    async with working(measuring):
        chosen: dict[str, Any] = {"concurrency": 1, "duplicates": "model"} | options
        run_id = await operator.started_run(assignment, **chosen)
        await operator.until(run_id, "completed", "failed", "paused")
    await operator.check_books(run_id)
    return run_id


async def _second(operator: Operator, run_id: UUID) -> TaskProposal:
    return next(one for one in await operator.proposals(run_id) if one.proposed_title == SECOND)


async def _forget_what_was_found(operator: Operator) -> None:
    """Let another run have the window, to which nothing but the stored answers is known."""
    async with operator.database.transaction() as session:
        closed = "UPDATE analysis_runs SET status = 'closed', proposals_total = 0, proposals_pending = 0"
        await session.execute(text(closed))
        await session.execute(text("DELETE FROM task_proposals"))


def _verdict(proposal: TaskProposal) -> object:
    return None if proposal.diff_summary is None else proposal.diff_summary["verdict"]


async def test_the_rules_alone_leave_it_doubtful(operator: Operator, model: ModelServer, measuring: Settings) -> None:
    found = await _second(operator, await _run(operator, model, measuring, duplicates="rules"))
    assert (_verdict(found), found.llm_recommendation) == ("possible_duplicate", "new_task")
    assert model.stats().calls == 2


async def test_what_the_model_takes_for_the_same_is_a_duplicate(
    operator: Operator, model: ModelServer, measuring: Settings
) -> None:
    run_id = await _run(operator, model, measuring)
    found = await _second(operator, run_id)
    assert (_verdict(found), found.llm_recommendation, found.status) == ("duplicate", "merge", "pending")
    (asked,) = [prompt for prompt in model.stats().prompts if prompt.startswith(QUESTION)]
    assert f'"{SECOND}" | "{FIRST}"' in asked
    run = await operator.run(run_id)
    assert (run.llm_requests, model.stats().calls) == (3, 3)
    assert run.cost_estimate is not None
    assert run.cost_estimate > 0


async def test_what_it_takes_for_other_work_is_none(
    operator: Operator, model: ModelServer, measuring: Settings
) -> None:
    model.finds_same = False
    found = await _second(operator, await _run(operator, model, measuring))
    assert (_verdict(found), found.similar_proposal_id, found.llm_recommendation) == (None, None, "new_task")


@pytest.mark.parametrize("trouble", ["server_error", "invalid_json", "unauthorized"])
async def test_a_model_that_does_not_answer_leaves_it_doubtful_and_holds_nothing_up(
    operator: Operator, model: ModelServer, measuring: Settings, trouble: Any
) -> None:
    model.script(Rule(trouble, text=QUESTION))
    run_id = await _run(operator, model, measuring)
    run = await operator.run(run_id)
    assert (run.status, run.batches_completed, run.batches_failed) == ("completed", 2, 0)
    assert _verdict(await _second(operator, run_id)) == "possible_duplicate"
    assert all(batch.error is None for batch in await operator.batches(run_id))


async def test_it_is_not_asked_beyond_the_budget(operator: Operator, model: ModelServer, measuring: Settings) -> None:
    # The two extractions cost about 0.006 dollars; what is left pays for no third answer of full length.
    run_id = await _run(operator, model, measuring, budget_usd="0.0125")
    run = await operator.run(run_id)
    assert run.status == "completed"
    assert run.cost_estimate is not None
    assert run.cost_estimate <= Decimal("0.0125")


async def test_the_same_question_is_paid_for_once(operator: Operator, model: ModelServer, measuring: Settings) -> None:
    assignment = await operator.assignment(model.base_url)
    await _run_of(operator, assignment, measuring)
    await _forget_what_was_found(operator)
    calls = model.stats().calls
    again = await _run_of(operator, assignment, measuring)
    assert model.stats().calls == calls
    assert _verdict(await _second(operator, again)) == "duplicate"


async def test_an_answer_that_came_while_a_place_was_waited_for_is_not_paid_for_again(
    operator: Operator, model: ModelServer, measuring: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = await operator.assignment(model.base_url)
    await _run_of(operator, assignment, measuring)
    await _forget_what_was_found(operator)
    calls, really, looks = model.stats().calls, Judging._known, 0

    async def known(self: Judging, question: Question, prompt: PairsPrompt) -> Mapping[Pair, bool] | None:
        nonlocal looks
        looks += 1
        return None if looks == 1 else await really(self, question, prompt)

    monkeypatch.setattr(Judging, "_known", known)
    again = await _run_of(operator, assignment, measuring)
    assert (looks, model.stats().calls) == (2, calls)
    assert _verdict(await _second(operator, again)) == "duplicate"
