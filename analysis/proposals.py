"""A model's answer: its shape, its check against the batch, and the drafts that it becomes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from analysis.prompts import shown_author
from models.conversation import ChatMessage
from models.values import Category, Priority, Recommendation

MAX_TITLE = 200
MAX_QUOTE = 300
MAX_TAGS = 10
MAX_TAG = 50


class AnswerInvalidError(Exception):
    """The answer doesn't fit; the text says why, and the model is shown it when it is asked again."""


def _clean(value: object) -> object:
    """Text without NUL and lone surrogates, which no database row can hold."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode().strip()
    return value


def _date_or_none(value: object) -> date | None:
    """A day that can't be read is left out: a proposal without a date beats none."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _listed(value: object) -> object:
    return [] if value is None else value


Clean = Annotated[str, BeforeValidator(_clean)]


class AnswerQuote(BaseModel):
    """The words in a message that show the task."""

    ref: Clean
    text: Clean


class AnswerProposal(BaseModel):
    """One proposal as a model gives it."""

    model_config = ConfigDict(extra="ignore")

    title: Annotated[Clean, Field(min_length=1, max_length=MAX_TITLE)]
    description: Clean = ""
    priority: Priority = "medium"
    category: Category
    confidence: Annotated[float, Field(ge=0, le=1)]
    reasoning: Clean = ""
    recommendation: Recommendation = "new_task"
    source_message_ids: Annotated[list[Clean], Field(min_length=1)]
    assignee: Clean | None = None
    due_date: Annotated[date | None, BeforeValidator(_date_or_none)] = None
    project_name: Clean | None = None
    tags: Annotated[list[Clean], BeforeValidator(_listed)] = []
    quotes: Annotated[list[AnswerQuote], BeforeValidator(_listed)] = []


class Answer(BaseModel):
    """A whole answer; an empty list is a good one."""

    model_config = ConfigDict(extra="ignore")

    proposals: list[AnswerProposal]


@dataclass(frozen=True)
class ProposalDraft:
    """What a proposal's row needs from the model. `evidence` pairs message ids with quotes, in the batch's order."""

    title: str
    description: str
    priority: Priority
    category: Category
    tags: tuple[str, ...]
    assignee: str | None
    due_date: date | None
    confidence: float
    reasoning: str
    recommendation: Recommendation
    source_message_ids: tuple[UUID, ...]
    evidence: tuple[tuple[UUID, str], ...]
    message_count: int
    time_span_seconds: int
    project_name: str | None


def refs_of(messages: Sequence[ChatMessage]) -> dict[str, UUID]:
    """What an answer cites each message by: `m1`, `m2` … in the batch's order."""
    return {f"m{number}": message.id for number, message in enumerate(messages, start=1)}


def parse_answer(
    answer: str | Mapping[str, Any] | Answer, refs: Mapping[str, UUID], messages: Sequence[ChatMessage]
) -> list[ProposalDraft]:
    """The drafts of an answer; AnswerInvalidError where anything in it doesn't fit the schema or the batch."""
    parsed = answer if isinstance(answer, Answer) else _read(answer)
    by_id = {message.id: message for message in messages}
    return [_draft(proposal, refs, by_id) for proposal in parsed.proposals]


def _read(answer: str | Mapping[str, Any]) -> Answer:
    try:
        return Answer.model_validate(json.loads(answer) if isinstance(answer, str) else answer)
    except ValidationError as error:
        first = error.errors()[0]
        raise AnswerInvalidError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise AnswerInvalidError("The answer is not JSON.") from error


def _draft(proposal: AnswerProposal, refs: Mapping[str, UUID], messages: Mapping[UUID, ChatMessage]) -> ProposalDraft:
    cited = {_cited(ref, refs) for ref in proposal.source_message_ids}
    evidence = [message for message_id, message in messages.items() if message_id in cited]
    times = [message.sent_at for message in evidence]
    quotes = {refs.get(_bare(quote.ref)): quote.text for quote in proposal.quotes}
    return ProposalDraft(
        title=proposal.title,
        description=proposal.description,
        priority=proposal.priority,
        category=proposal.category,
        tags=_tags(proposal.tags),
        assignee=_assignee(proposal.assignee, evidence, messages),
        due_date=proposal.due_date,
        confidence=proposal.confidence,
        reasoning=proposal.reasoning,
        recommendation=proposal.recommendation,
        source_message_ids=tuple(message.id for message in evidence),
        evidence=tuple((message.id, _quote(message, quotes.get(message.id))) for message in evidence),
        message_count=len(evidence),
        time_span_seconds=int((max(times) - min(times)).total_seconds()),
        project_name=proposal.project_name or None,
    )


def _bare(ref: str) -> str:
    return ref.strip("[] ")


def _cited(ref: str, refs: Mapping[str, UUID]) -> UUID:
    found = refs.get(_bare(ref))
    if found is None:
        raise AnswerInvalidError(
            f"source_message_ids cites {ref[:40]!r}, which is none of the batch's messages (m1 to m{len(refs)})."
        )
    return found


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag[:MAX_TAG] for tag in tags if tag))[:MAX_TAGS]


def _assignee(named: str | None, evidence: Sequence[ChatMessage], messages: Mapping[UUID, ChatMessage]) -> str | None:
    """The author of the batch that the model means, if the evidence is by that author or names them; else nobody."""
    wanted = (named or "").lstrip("@").strip().casefold()
    authors = {shown_author(message.author).casefold(): message.author for message in messages.values()}
    author = authors.get(wanted)
    if author is None:
        return None
    in_evidence = any(message.author == author or author.casefold() in message.text.casefold() for message in evidence)
    return author if in_evidence else None


def _quote(message: ChatMessage, claimed: str | None) -> str:
    """The claimed words where the message really has them, else the beginning of its text."""
    text = " ".join(message.text.split())
    words = " ".join((claimed or "").replace("⏎", " ").split())
    return words[:MAX_QUOTE] if words and words in text else text[:MAX_QUOTE]
