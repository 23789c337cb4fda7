"""What a model answers, and the proposals that a valid answer becomes.

Strict where a wrong value would mislead a reviewer (ids, ranges, words of a closed set), lenient where it does no harm
(further fields, an unknown assignee, a date that is none). An answer is valid as a whole or not at all.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, get_args
from uuid import UUID

import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from analysis.prompts import shown_author
from models.conversation import ChatMessage
from models.values import Category, Priority, Recommendation

MAX_QUOTE = 300
"""Characters of a message that a proposal keeps as its evidence."""

_MAX_DESCRIPTION = 10_000
_MAX_REASONING = 4_000
_MAX_TAGS = 20
_MAX_TAG = 50
_MAX_PROJECT_NAME = 200
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NAME_PARTS = re.compile(r"[\s._-]+")
_MARKDOWN_FENCE = re.compile(r"```(?:\w+)?\s*\n(.*?)```", re.DOTALL)


class AnswerInvalidError(ValueError):
    """The model's answer can't be used. `reason` is written for the model, which is asked again with it.

    It names the fields and the rules, and never repeats what people or the model wrote.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class ProposalDraft:
    """What a model contributes to a row of `task_proposals`.

    `source_message_ids` are in the order of the batch, `evidence` pairs each with the words of it that show the task
    (up to MAX_QUOTE characters). `assignee` is an author named in the evidence. `time_span_seconds` lies between the
    first and the last of the source messages.
    """

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


def _storable(value: object) -> object:
    """Text without what PostgreSQL can't hold."""
    return _UNSTORABLE.sub("", value) if isinstance(value, str) else value


def _one_line(value: object) -> object:
    return " ".join(value.split()) if isinstance(value, str) else value


def _word(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _text_or_empty(value: object) -> str:
    return str(_storable(value)).strip() if isinstance(value, str) else ""


def _text_or_none(value: object) -> str | None:
    return _text_or_empty(value) or None


def _date_or_none(value: object) -> date | None:
    """The day that an ISO date or date-time begins with. What is no date is no reason to ask again."""
    try:
        return date.fromisoformat(_text_or_empty(value)[:10])
    except ValueError:
        return None


def _no_booleans(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number from 0 to 1")
    return value


def _tags(value: object) -> list[str]:
    if not isinstance(value, list):
        return []
    tags = dict.fromkeys(" ".join(_text_or_empty(tag).split())[:_MAX_TAG].strip() for tag in value)
    return [tag for tag in tags if tag][:_MAX_TAGS]


def _ref(value: object) -> object:
    """A ref as the prompt writes it, also where the model kept the brackets around it."""
    return value.strip().strip("[]").strip().lower() if isinstance(value, str) else value


def _quotes(value: object) -> list[object]:
    return [quote for quote in value if isinstance(quote, dict)] if isinstance(value, list) else []


class AnswerQuote(BaseModel):
    """Words that the model copied from a message."""

    model_config = ConfigDict(extra="ignore")

    ref: Annotated[str, BeforeValidator(lambda value: _ref(_text_or_empty(value)))] = ""
    text: Annotated[str, BeforeValidator(_text_or_empty)] = ""


class AnswerProposal(BaseModel):
    """One proposal as a model gives it."""

    model_config = ConfigDict(extra="ignore")

    title: Annotated[
        str,
        StringConstraints(min_length=1, max_length=200),
        BeforeValidator(_one_line),
        BeforeValidator(_storable),
        Field(description="What is to be done, as a short imperative phrase."),
    ]
    description: Annotated[str, BeforeValidator(_text_or_empty)] = ""
    priority: Annotated[Priority, BeforeValidator(_word)] = "medium"
    category: Annotated[Category, BeforeValidator(_word)]
    confidence: Annotated[float, Field(ge=0, le=1), BeforeValidator(_no_booleans)]
    reasoning: Annotated[str, BeforeValidator(_text_or_empty)] = ""
    recommendation: Annotated[Recommendation, BeforeValidator(_word)] = "new_task"
    source_message_ids: Annotated[
        list[Annotated[str, BeforeValidator(_ref)]],
        Field(min_length=1, description="The REFs of the messages that the proposal rests on, such as m3."),
    ]
    assignee: Annotated[str | None, BeforeValidator(_text_or_none)] = None
    due_date: Annotated[date | None, BeforeValidator(_date_or_none)] = None
    project_name: Annotated[str | None, BeforeValidator(_text_or_none)] = None
    tags: Annotated[list[str], BeforeValidator(_tags)] = []
    quotes: Annotated[list[AnswerQuote], BeforeValidator(_quotes)] = []


class Answer(BaseModel):
    """The whole answer. No proposals is a good one."""

    model_config = ConfigDict(extra="ignore")

    proposals: list[AnswerProposal]


def answer_schema() -> dict[str, object]:
    """The JSON schema that a model is given: it asks also for fields that we could do without."""
    schema = Answer.model_json_schema()
    proposal = schema["$defs"]["AnswerProposal"]
    optional = {"assignee", "due_date", "project_name", "tags", "quotes"}
    proposal["required"] = [name for name in proposal["properties"] if name not in optional]
    schema["$defs"]["AnswerQuote"]["required"] = ["ref", "text"]
    return schema


def parse_answer(
    raw: str | Mapping[str, object], refs: Mapping[str, UUID], messages: Sequence[ChatMessage]
) -> list[ProposalDraft]:
    """The proposals of an answer, as a model gave it or as it was stored.

    `refs` are those of the prompt that was asked, `messages` is its batch. Raises AnswerInvalidError.
    """
    try:
        answer = Answer.model_validate(decoded(raw) if isinstance(raw, str) else raw)
    except ValidationError as error:
        raise AnswerInvalidError(reason_of(error)) from None
    _check_refs(answer, refs)
    batch = {message.id: message for message in messages}
    return [_draft(proposal, refs, batch) for proposal in answer.proposals]


def decoded(raw: str, key: str = "proposals") -> object:
    """The JSON of an answer, also where the model put it into a Markdown fence. `key` is what it has to hold."""
    text = raw.strip()
    fence = None if text.startswith("{") else _MARKDOWN_FENCE.search(text)
    try:
        return json.loads(fence[1] if fence else text)
    except (ValueError, RecursionError):
        raise AnswerInvalidError(f'The answer must be one JSON object of the form {{"{key}": [...]}}.') from None


_WORDS: dict[str, tuple[str, ...]] = {
    "priority": get_args(Priority),
    "category": get_args(Category),
    "recommendation": get_args(Recommendation),
}


def reason_of(error: ValidationError) -> str:
    """What is wrong with an answer, for the model."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    complaints = [_complaint(detail) for detail in found[:8]]
    more = f" There are {len(found) - 8} further errors." if len(found) > 8 else ""
    return f"The answer does not fit: {'; '.join(complaints)}.{more}"


def _complaint(detail: pydantic_core.ErrorDetails) -> str:
    """One error by its place and its rule. The library's own wording would quote the value."""
    place = ".".join(str(step) for step in detail["loc"]) or "the answer"
    name = str(detail["loc"][-1]) if detail["loc"] else ""
    if detail["type"] == "missing":
        return f"{place} is missing"
    if name in _WORDS:
        return f"{place} must be one of {', '.join(_WORDS[name])}"
    if name == "confidence":
        return f"{place} must be a number from 0 to 1"
    if name == "title":
        return f"{place} must have 1 to 200 characters"
    if name == "source_message_ids":
        return f"{place} must list at least one REF"
    return f"{place} has the wrong type"


def _check_refs(answer: Answer, refs: Mapping[str, UUID]) -> None:
    wrong = [
        f"proposals.{number}.source_message_ids.{position}"
        for number, proposal in enumerate(answer.proposals)
        for position, ref in enumerate(proposal.source_message_ids)
        if ref not in refs
    ]
    if wrong:
        raise AnswerInvalidError(
            f"Every REF in source_message_ids must be one of the batch's, {_span(refs)}; "
            f"these are not: {', '.join(wrong[:8])}."
        )


def _span(refs: Mapping[str, UUID]) -> str:
    names = list(refs)
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else "of which there are none"


def _draft(proposal: AnswerProposal, refs: Mapping[str, UUID], batch: Mapping[UUID, ChatMessage]) -> ProposalDraft:
    cited_ids = {refs[ref] for ref in proposal.source_message_ids}
    cited = [message for message in batch.values() if message.id in cited_ids]
    times = [message.sent_at for message in cited]
    quotes = [(refs.get(quote.ref), quote.text) for quote in proposal.quotes]
    return ProposalDraft(
        title=proposal.title,
        description=proposal.description[:_MAX_DESCRIPTION],
        priority=proposal.priority,
        category=proposal.category,
        tags=tuple(proposal.tags),
        assignee=_assignee(proposal.assignee, cited, batch.values()),
        due_date=proposal.due_date,
        confidence=proposal.confidence,
        reasoning=proposal.reasoning[:_MAX_REASONING],
        recommendation=proposal.recommendation,
        source_message_ids=tuple(message.id for message in cited),
        evidence=tuple((message.id, _quote(message, quotes)) for message in cited),
        message_count=len(cited),
        time_span_seconds=int((max(times) - min(times)).total_seconds()),
        project_name=proposal.project_name[:_MAX_PROJECT_NAME] if proposal.project_name else None,
    )


def _quote(message: ChatMessage, quotes: Sequence[tuple[UUID | None, str]]) -> str:
    """The first quote that really stands in the message, else its beginning."""
    for message_id, text in quotes:
        if message_id == message.id and (found := _found(text, message.text)):
            return found[:MAX_QUOTE]
    return message.text.strip()[:MAX_QUOTE]


def _found(quote: str, text: str) -> str:
    """The part of `text` that `quote` repeats, whatever the white space and folded line breaks in it."""
    words = [re.escape(word) for word in quote.replace("⏎", " ").split()]
    match = re.search(r"[\s⏎]+".join(words), text) if words else None
    return match[0] if match else ""


def _assignee(name: str | None, cited: Sequence[ChatMessage], batch: Iterable[ChatMessage]) -> str | None:
    """The person of the batch whom `name` means, if they wrote one of the cited messages or are named in one."""
    if name is None:
        return None
    wanted = shown_author(name.lstrip("@")).casefold()
    people = dict.fromkeys(message.author for message in batch if not message.is_bot)
    meant = [author for author in people if wanted == shown_author(author).casefold()] or _by_first_name(wanted, people)
    writers = {message.author for message in cited}
    return next((author for author in meant if author in writers or _is_named(author, people, cited)), None)


def _by_first_name(wanted: str, people: Mapping[str, None]) -> list[str]:
    """The one person with this first name; nobody when several have it."""
    meant = [author for author in people if wanted == _first_name(author)]
    return meant if len(meant) == 1 else []


def _first_name(author: str) -> str:
    """What people call an author: the first part of a name or nick (`priya` of `priya.n`, `diego` of `diego_r`)."""
    return next(part for part in [*_NAME_PARTS.split(shown_author(author)), author] if part).casefold()


def _is_named(author: str, people: Mapping[str, None], cited: Sequence[ChatMessage]) -> bool:
    first = _first_name(author)
    names = {author.casefold(), *([first] if _by_first_name(first, people) else [])}
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names)))
    return any(pattern.search(message.text.casefold()) for message in cited)
