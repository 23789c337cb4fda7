"""The proposals that a valid answer of a model becomes.

What they rest on is checked against the batch: its messages, their authors, the words in them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from pydantic import ValidationError

from analysis.answers import Answer, AnswerInvalidError, AnswerProposal, decoded, reason_of
from analysis.prompts import shown_author
from models.conversation import ChatMessage
from models.values import Category, Priority, Recommendation

MAX_QUOTE = 300
"""Characters of a message that a proposal keeps as its evidence."""

_MAX_DESCRIPTION = 10_000
_MAX_REASONING = 4_000
_MAX_PROJECT_NAME = 200
_NAME_PARTS = re.compile(r"[\s._-]+")


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
