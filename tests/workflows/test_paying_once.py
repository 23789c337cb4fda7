"""An answer is paid for once, whatever happens after it."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from activities.questions import read_question
from models.run import AnalysisRun, ModelResponse
from settings import Settings
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator, working
from workflows import contract

BATCHES = 3


async def _execute(operator: Operator, statement: str) -> None:
    async with operator.database.transaction() as session:
        await session.execute(text(statement))


async def _closed_run(operator: Operator, assignment: UUID) -> AnalysisRun:
    """A run over the window that is out of the next one's way; what it found leaves no memory."""
    run_id = await operator.started_run(assignment)
    await operator.until(run_id, "completed")
    await _execute(operator, "DELETE FROM task_proposals")
    await _execute(
        operator,
        "UPDATE analysis_runs SET status = 'closed', proposals_total = 0, proposals_pending = 0",
    )
    return await operator.run(run_id)


async def _calls_of_a_second_run(operator: Operator, model: ModelServer, assignment: UUID, **options: Any) -> int:
    before = model.stats().calls
    run_id = await operator.started_run(assignment, **options)
    await operator.until(run_id, "completed")
    run = await operator.check_books(run_id)
    calls = model.stats().calls - before
    assert run.cache_hits == BATCHES - calls
    if not calls:
        assert (run.llm_requests, run.cost_estimate) == (0, Decimal(0))
        assert all(batch.cached for batch in await operator.batches(run_id))
    return calls


@pytest.fixture
async def assignment(operator: Operator, model: ModelServer) -> UUID:
    """Thirty messages to ask about."""
    await operator.messages(10 * BATCHES)
    return await operator.assignment(model.base_url)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ("UPDATE agent_configs SET system_prompt = 'Find chores only.'", BATCHES),
        ("UPDATE agent_configs SET model_name = 'another-model'", BATCHES),
        ("UPDATE agent_configs SET temperature = 0.7", BATCHES),
        ("UPDATE agent_configs SET max_tokens = 1000", BATCHES),
        ("UPDATE messages SET content = content || ' soon' WHERE external_id = '0-15'", 1),
        ("UPDATE model_responses SET created_at = now() - interval '91 days'", BATCHES),
        ("UPDATE agent_configs SET name = 'Renamed'", 0),
        ("UPDATE llm_providers SET input_price_per_mtok = 9, request_timeout_seconds = 9", 0),
        ("UPDATE model_responses SET created_at = now() - interval '89 days'", 0),
    ],
)
async def test_a_second_run_over_the_window_asks_only_what_is_another_question_or_too_long_ago(
    operator: Operator, model: ModelServer, assignment: UUID, change: str, calls: int
) -> None:
    await _closed_run(operator, assignment)
    await _execute(operator, change)
    assert await _calls_of_a_second_run(operator, model, assignment) == calls


@pytest.mark.usefixtures("worker")
async def test_a_batch_whose_answer_is_known_is_told_step_by_step_like_any_other(
    operator: Operator, model: ModelServer, assignment: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    await _closed_run(operator, assignment)
    before = capsys.readouterr().out
    assert await _calls_of_a_second_run(operator, model, assignment) == 0
    again = capsys.readouterr().out
    for step in ("Processing batch 1/", "Generated 1 proposals from batch", "Saved 1 proposals", "Batch 1 completed"):
        assert again.count(step) == before.count(step) > 0, step


@pytest.mark.usefixtures("worker")
async def test_without_the_cache_the_same_window_is_asked_again(
    operator: Operator, model: ModelServer, assignment: UUID
) -> None:
    await _closed_run(operator, assignment)
    assert await _calls_of_a_second_run(operator, model, assignment, use_cache=False) == BATCHES


async def test_another_version_of_the_prompt_is_another_question(
    operator: Operator, model: ModelServer, assignment: UUID, settings: Settings
) -> None:
    async with working(settings):
        await _closed_run(operator, assignment)
    async with working(settings.model_copy(update={"prompt_version": "2"})):
        assert await _calls_of_a_second_run(operator, model, assignment) == BATCHES


@pytest.mark.usefixtures("worker")
async def test_a_save_that_fails_is_tried_again_without_a_call(
    operator: Operator, model: ModelServer, assignment: UUID
) -> None:
    await _refuse_saves(operator)
    run_id = await operator.started_run(assignment)
    await until(lambda: operator.run(run_id), lambda run: run.llm_requests == BATCHES)
    assert (await operator.run(run_id)).batches_completed == 0
    await _allow_saves(operator)
    await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == BATCHES
    assert model.stats().calls == BATCHES


async def test_a_worker_that_stops_between_answer_and_save_costs_no_call(
    operator: Operator, model: ModelServer, assignment: UUID, settings: Settings
) -> None:
    await _refuse_saves(operator)
    async with working(settings):
        run_id = await operator.started_run(assignment, concurrency=BATCHES)
        await until(lambda: operator.run(run_id), lambda run: run.llm_requests == BATCHES)
    await _allow_saves(operator)
    assert (await operator.run(run_id)).batches_completed == 0
    async with working(settings):
        await operator.until(run_id, "completed")
    assert (await operator.check_books(run_id)).batches_completed == BATCHES
    assert model.stats().calls == BATCHES


async def _refuse_saves(operator: Operator) -> None:
    await _execute(
        operator,
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no more room' USING ERRCODE = '53100'; END $$
        """,
    )
    await _execute(
        operator, "CREATE TRIGGER refuse BEFORE INSERT ON task_proposals FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


async def _allow_saves(operator: Operator) -> None:
    await _execute(operator, "DROP TRIGGER refuse ON task_proposals")


@pytest.mark.usefixtures("worker")
async def test_an_answer_that_an_older_parser_refused_is_read_again_without_a_call(
    operator: Operator, model: ModelServer, assignment: UUID
) -> None:
    model.script(Rule("bad_confidence", text="number 15"))
    run_id = await operator.started_run(assignment)
    await until(lambda: operator.run(run_id), lambda run: run.status == "completed" and run.batches_failed == 1)
    # The parser's mending, seen from the other side: the stored text is now one that it takes.
    await _execute(operator, "UPDATE model_responses SET raw_answer = replace(raw_answer, '85', '0.85')")
    calls = model.stats().calls
    await operator.commands.retry(run_id)
    await until(lambda: operator.run(run_id), lambda run: run.status == "completed" and run.batches_failed == 0)
    assert (await operator.check_books(run_id)).batches_completed == BATCHES
    assert model.stats().calls == calls


@pytest.mark.usefixtures("worker")
async def test_a_stored_answer_that_the_parser_does_not_take_any_more_is_asked_again(
    operator: Operator, model: ModelServer, assignment: UUID
) -> None:
    await _closed_run(operator, assignment)
    await _execute(operator, "UPDATE model_responses SET raw_answer = '[]'")
    assert await _calls_of_a_second_run(operator, model, assignment) == BATCHES


@pytest.mark.usefixtures("worker")
async def test_an_answer_that_is_stored_while_an_attempt_waits_for_its_place_is_used(
    operator: Operator, model: ModelServer
) -> None:
    await operator.messages(10)
    assignment = await operator.assignment(model.base_url, max_concurrency=1)
    async with operator.database.transaction() as session:
        query = (
            "INSERT INTO provider_limits (provider_id, requests_left, tokens_left) SELECT id, 1, 1 FROM llm_providers"
        )
        await session.execute(text(query))
        run_id = await operator.started_run(assignment)
        await until(lambda: _waiting_for_locks(operator))
        question = await read_question(session, contract.BatchRef(run_id=run_id, batch_no=1), probing=False)
        assert question is not None
        found = ModelResponse(
            fingerprint=question.fingerprint, run_id=run_id, model="stand-in", raw_answer='{"proposals": []}'
        )
        session.add(found)
    await operator.until(run_id, "completed")
    assert model.stats().calls == 0
    await operator.check_books(run_id)


async def _waiting_for_locks(operator: Operator) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with operator.database.transaction() as session:
        return int(await session.scalar(text(query)) or 0)
