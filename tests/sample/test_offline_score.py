"""The offline extractor on the sample workspace, by the way that a run takes: imported, filtered, batched, shown as a
prompt, answered, parsed and scored."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from functools import cache
from uuid import UUID, uuid5

from pydantic_ai.messages import ModelRequest, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from analysis import prefilter
from analysis.batches import Planner
from analysis.prompts import render
from analysis.proposals import parse_answer
from ingest.entries import Found, ReadOptions
from ingest.slack import read
from llm.offline_model import OfflineModel
from models.conversation import ChatMessage, IncomingMessage
from sample.scoring import Score, ScoredProposal, score
from sample.workspace import MessageRef, bot_messages, export_path, gold
from tests.support.plans import Placed, stretches

SOURCE = UUID("7d5c0a52-8a2b-4f0e-9f77-6d1d3f6f7a01")
TWO_WORDS = re.compile(r"\w+\W+\w+")
SMALL_TALK = re.compile(prefilter.SMALL_TALK.replace("[^[:alnum:]]", r"[\W_]"), re.IGNORECASE)
GAP = 600


def kept() -> list[IncomingMessage]:
    """What the prefilter lets through: its rules in short, for it applies them in the database."""
    found = (entry.message for entry in read(export_path(), ReadOptions()) if isinstance(entry, Found))
    return [message for message in found if not (message.is_bot or message.is_system) and says_something(message)]


def says_something(message: IncomingMessage) -> bool:
    text = message.content.strip()
    if not re.search(r"[^\W_]", text):
        return False
    return (
        len(text) >= prefilter.SHORT or "@" in text or bool(TWO_WORDS.search(text) and not SMALL_TALK.fullmatch(text))
    )


def batches(messages: Sequence[IncomingMessage]) -> Iterator[list[IncomingMessage]]:
    """The messages as the planner puts them together."""
    starts: dict[tuple[str, str], IncomingMessage] = {}
    for message in messages:
        unit = (message.channel, message.thread_id or message.external_id)
        if unit not in starts or message.sent_at < starts[unit].sent_at:
            starts[unit] = message
    by_id = {uuid5(SOURCE, f"{message.channel} {message.external_id}"): message for message in messages}
    placed = [
        (
            message.sent_at,
            Placed(key, SOURCE, message.channel, unit, starts[message.channel, unit].sent_at),
        )
        for key, message in by_id.items()
        for unit in [message.thread_id or message.external_id]
    ]
    placed.sort(key=lambda item: (item[1].channel, item[1].unit_start, item[1].unit, item[0]))
    planner = Planner(max_batch_size=50)
    for stretch in stretches((place for _, place in placed), gap=GAP):
        for batch in planner.plan(stretch):
            yield [by_id[key] for key in batch.message_ids]
    for batch in planner.finish():
        yield [by_id[key] for key in batch.message_ids]


def proposals_of(batch: Sequence[IncomingMessage]) -> Iterator[ScoredProposal]:
    """What the model proposes for one batch, as it is stored."""
    messages = [
        ChatMessage(
            uuid5(SOURCE, f"{message.channel} {message.external_id}"),
            message.channel,
            message.author,
            message.sent_at,
            message.content,
        )
        for message in batch
    ]
    refs: dict[UUID, MessageRef] = {
        known.id: (message.channel, message.external_id) for known, message in zip(messages, batch, strict=True)
    }
    prompt = render(messages, time_gap_seconds=GAP)
    for draft in parse_answer(answer_to(prompt.user), prompt.refs, messages):
        cited = frozenset(refs[message_id] for message_id in draft.source_message_ids)
        yield ScoredProposal(draft.title, draft.description, draft.assignee, cited)


def answer_to(user: str) -> str:
    question = ModelRequest([UserPromptPart(user)])
    response = asyncio.run(OfflineModel("rules").request([question], None, ModelRequestParameters()))
    part = response.parts[0]
    assert isinstance(part, TextPart)
    return part.content


@cache
def proposals() -> tuple[ScoredProposal, ...]:
    return tuple(proposal for batch in batches(kept()) for proposal in proposals_of(batch))


@cache
def result() -> Score:
    return score(proposals(), gold(), bot_messages=bot_messages())


def test_most_tasks_of_the_sample_are_found_with_the_right_owner() -> None:
    assert result().right_owner_share >= 0.7


def test_a_reviewer_of_the_sample_reads_at_most_two_proposals_a_task() -> None:
    assert result().proposals_per_task <= 2


def test_no_proposal_of_the_sample_cites_a_program() -> None:
    assert result().from_bots == 0
