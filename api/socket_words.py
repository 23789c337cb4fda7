"""What a WebSocket client may say: the query of its handshake, and its messages."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.datastructures import QueryParams

from api.events import DEFAULT_TOPICS, MAX_SEQ, Topic
from errors import BadRequest

MAX_CHARACTERS = 4096

Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]


class SocketQuery(BaseModel):
    """What a connection hears first: everything of the topics, or one run, from now or after an event's number."""

    run_id: UUID | None = None
    topics: frozenset[Topic] = DEFAULT_TOPICS
    after_seq: Seq | None = None

    @model_validator(mode="after")
    def _after_seq_of_a_run(self) -> Self:
        if self.after_seq is not None and self.run_id is None:
            raise ValueError("after_seq needs run_id, because events are numbered by run")
        return self


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    run_id: UUID | None = None
    topic: Topic | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.run_id is None and self.topic is None:
            raise ValueError("name a run_id or a topic")
        return self


class Subscribe(_Message):
    """Hear a run or a topic; with `after_seq`, the run's events after that number first."""

    action: Literal["subscribe"]
    after_seq: Seq | None = None

    @model_validator(mode="after")
    def _after_seq_of_a_run(self) -> Self:
        if self.after_seq is not None and self.run_id is None:
            raise ValueError("after_seq needs run_id, because events are numbered by run")
        return self


class Unsubscribe(_Message):
    """Hear a run or a topic no more."""

    action: Literal["unsubscribe"]


class Ping(BaseModel):
    """Ask for a `pong`, which says that everything before was understood."""

    action: Literal["ping"]


Action = Subscribe | Unsubscribe | Ping
_actions: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="action")])


def parse_query(params: QueryParams) -> SocketQuery:
    """The handshake's query; an empty value counts as none. 400 `invalid_query`."""
    given: dict[str, object] = {name: params[name] for name in ("run_id", "after_seq") if params.get(name)}
    topics = [topic.strip() for value in params.getlist("topics") for topic in value.split(",") if topic.strip()]
    if topics:
        given["topics"] = topics
    try:
        return SocketQuery.model_validate(given)
    except ValidationError as error:
        raise BadRequest("invalid_query", _first(error)) from None


def parse_message(text: str) -> Action:
    """A client's message. 400 `message_too_long`, `invalid_json`, `unknown_action` or `invalid_message`."""
    if len(text) > MAX_CHARACTERS:
        raise BadRequest("message_too_long", f"A message may have at most {MAX_CHARACTERS} characters.")
    try:
        return _actions.validate_json(text)
    except ValidationError as error:
        raise BadRequest(_CODES.get(error.errors()[0]["type"], "invalid_message"), _first(error)) from None


_CODES = {
    "json_invalid": "invalid_json",
    "union_tag_invalid": "unknown_action",
    "union_tag_not_found": "unknown_action",
}


def _first(error: ValidationError) -> str:
    """The first thing wrong, without what was sent."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("subscribe", "unsubscribe", "ping"))
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return "The action must be subscribe, unsubscribe or ping."
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
