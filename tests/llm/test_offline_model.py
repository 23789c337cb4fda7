"""The rules behind the same door as any model."""

from datetime import date
from decimal import Decimal
from typing import get_args

import pytest
from pydantic_ai.models import override_allow_model_requests

from analysis.prompts import ProjectBrief, render
from llm.calls import CallRecord
from llm.extraction import ExtractionCall, extract
from llm.providers import ProviderConnection
from models.values import OutputMode
from tests.support.chat import message

TALK = [
    message("@bob can you please fix the login redirect by Friday?", author="alice"),
    message("sure, I'll do it", author="bob", minute=1),
    message("thanks!", author="alice", minute=2),
]


@pytest.mark.parametrize("mode", get_args(OutputMode))
async def test_it_answers_in_every_mode_without_a_network(mode: OutputMode) -> None:
    call = ExtractionCall(ProviderConnection("offline", output_mode=mode), "rules-1", render(TALK), TALK)
    record = CallRecord()

    with override_allow_model_requests(False):
        (draft,) = await extract(call, record=record)

    assert "login redirect" in draft.title
    assert draft.assignee == "bob"
    assert draft.due_date == date(2025, 1, 10)
    assert TALK[0].id in draft.source_message_ids
    assert (record.requests, record.model, record.cost_usd) == (1, "rules-1", Decimal(0))
    assert record.input_tokens > 0
    assert record.output_tokens > 0


async def test_the_same_question_gets_the_same_answer() -> None:
    answers = set()
    for _ in range(3):
        record = CallRecord()
        await extract(ExtractionCall(ProviderConnection("offline"), "rules-1", render(TALK), TALK), record=record)
        answers.add(record.raw_answer)

    assert len(answers) == 1


async def test_it_is_told_of_the_project_and_reads_the_context_without_citing_it() -> None:
    context = [message("the export is broken for everybody", author="carol", minute=-3)]
    prompt = render(TALK, context=context, project=ProjectBrief("Apollo"))
    call = ExtractionCall(ProviderConnection("offline"), "rules-1", prompt, TALK)

    drafts = await extract(call, record=CallRecord())

    cited = {message_id for draft in drafts for message_id in draft.source_message_ids}
    assert cited <= {m.id for m in TALK}
