"""Messages as the API takes and shows them."""

from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.schemas.fields import Body
from models.conversation import IncomingMessage, utc_offset
from models.message import Message

MAX_MESSAGES = 1000


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_time", "must be an RFC 3339 time")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("invalid_time", "must be an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise PydanticCustomError("naive_time", "needs an offset, like 2026-03-10T09:00:00Z")
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("invalid_time", "is out of range") from None
    return moment


class MessageItem(Body):
    """One message, keyed by (source, channel, external_id). `is_system` marks what a chat server wrote about itself."""

    source: str
    channel: str
    external_id: str
    author: str
    sent_at: Annotated[datetime, BeforeValidator(_moment)]
    content: str
    thread_id: str | None = None
    reply_to: str | None = None
    is_bot: bool = False
    is_system: bool = False

    def incoming(self) -> IncomingMessage:
        given = self.model_dump(exclude={"source", "sent_at"})
        return IncomingMessage(sent_at=self.sent_at.astimezone(UTC), utc_offset=utc_offset(self.sent_at), **given)


class MessagesBatch(Body):
    """Messages to be stored, each by itself: one that can't be is rejected, the others go in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "messages": [
                        {
                            "source": "acme-slack",
                            "channel": "engineering",
                            "external_id": "1741597200.000100",
                            "author": "dana",
                            "sent_at": "2026-03-10T09:00:00Z",
                            "content": "The login page is down, can you look at it, @lee?",
                        }
                    ]
                }
            ]
        }
    )

    # Not MessageItem: an item that doesn't fit it is rejected alone.
    messages: list[Annotated[JsonValue, WithJsonSchema(MessageItem.model_json_schema())]] = Field(
        max_length=MAX_MESSAGES
    )


class Rejected(BaseModel):
    """A message that could not be stored. `index` counts from 0; `detail` never quotes its text."""

    index: int
    code: str
    detail: str


class StoredMessages(BaseModel):
    """What became of the messages: the four numbers add up to those that were sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "inserted": 2,
                    "updated": 0,
                    "unchanged": 1,
                    "rejected": [{"index": 3, "code": "naive_time", "detail": "sent_at needs an offset"}],
                }
            ]
        }
    )

    inserted: int
    updated: int
    unchanged: int
    rejected: list[Rejected]


class MessageView(BaseModel):
    """A message. `source` is its source's name."""

    id: UUID
    source: str
    source_id: UUID
    channel: str
    external_id: str
    author: str
    sent_at: datetime
    content: str
    thread_id: str | None
    reply_to: str | None
    is_bot: bool
    is_system: bool

    @classmethod
    def of(cls, message: Message, source: str) -> Self:
        return cls(source=source, **message.model_dump(include=cls.model_fields.keys() - {"source"}))
