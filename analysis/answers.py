"""What a model answers.

Strict where a wrong value would mislead a reviewer (ids, ranges, words of a closed set), lenient where it does no harm
(further fields, an unknown assignee, a date that is none). An answer is valid as a whole or not at all.
"""

import json
import re
from datetime import date
from typing import Annotated, get_args

import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from models.texts import storable
from models.values import Category, Priority, Recommendation

_MAX_TAGS = 20
_MAX_TAG = 50
_MARKDOWN_FENCE = re.compile(r"```(?:\w+)?\s*\n(.*?)```", re.DOTALL)


class AnswerInvalidError(ValueError):
    """The model's answer can't be used. `reason` is written for the model, which is asked again with it.

    It names the fields and the rules, and never repeats what people or the model wrote.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _storable(value: object) -> object:
    """Text without what PostgreSQL can't hold."""
    return storable(value) if isinstance(value, str) else value


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
