"""Messages: taken in bulk, found again."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import JsonValue, ValidationError

from api.auth import Reader, Runner
from api.dependencies import Api
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.message import MessageItem, MessagesBatch, MessageView, Rejected, StoredMessages
from db import message_search
from db.messages import Flaw, flaw_of, source_flaw, store
from models.base import AwareTime
from models.conversation import IncomingMessage

router = APIRouter(prefix="/messages", tags=["messages"], route_class=IdempotentRoute)

_CODES = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "naive_time": "naive_time",
    "invalid_time": "invalid_time",
    "model_type": "invalid_item",
}
"""What pydantic finds wrong with an item, as the code that the caller sees; anything else is `invalid_field`."""
_FIELD_CHARS = 100


@dataclass
class _Sorted:
    """The items that can be stored, by the names of their sources, and the others."""

    by_source: dict[str, list[IncomingMessage]] = field(default_factory=lambda: defaultdict(list))
    rejected: list[Rejected] = field(default_factory=list)


@router.post("")
async def store_messages(body: MessagesBatch, caller: Runner, resources: Api) -> StoredMessages:
    """Store up to 1,000 messages, keyed by (source, channel, external_id); a source that is new is made.

    The same again changes nothing, a changed message is updated. An item that can't be stored is `rejected` with
    `missing_field`, `unknown_field`, `invalid_field`, `invalid_item`, `invalid_time`, `naive_time`, `invalid_text`,
    `empty_content`, `empty_field`, `content_too_long` or `field_too_long`, and the others go in.
    """
    found = _sorted(body.messages)
    async with resources.database.transaction() as session:
        counts = await store(session, found.by_source, source_type="api", actor=caller)
    return StoredMessages(
        inserted=counts.inserted, updated=counts.updated, unchanged=counts.unchanged, rejected=found.rejected
    )


@router.get("")
async def list_messages(
    _: Reader,
    resources: Api,
    page: PageQuery,
    source: Annotated[str | None, Query(description="The source's name.")] = None,
    channel: str | None = None,
    start: Annotated[AwareTime | None, Query(alias="from", description="The earliest time.")] = None,
    end: Annotated[AwareTime | None, Query(alias="to", description="The time before which they were sent.")] = None,
    q: Annotated[str | None, Query(max_length=1000, description="A text in the content, in any case.")] = None,
) -> Page[MessageView]:
    """Messages, the newest first."""
    wanted = message_search.Wanted(source=source, channel=channel, start=start, end=end, text=q)
    async with resources.database.transaction() as session:
        found = await message_search.listed(session, wanted, after=page.after(datetime, UUID), limit=page.limit + 1)
        total = await message_search.count(session, wanted)
    views = [MessageView.of(message, name) for message, name in found]
    return page.of(views, total, key=lambda view: (view.sent_at, view.id))


@router.get("/{message_id}")
async def get_message(message_id: UUID, _: Reader, resources: Api) -> MessageView:
    """The message; 404 `message_not_found`."""
    async with resources.database.transaction() as session:
        message, source = await message_search.get(session, message_id)
    return MessageView.of(message, source)


def _sorted(items: Sequence[JsonValue]) -> _Sorted:
    found = _Sorted()
    for index, item in enumerate(items):
        try:
            message = MessageItem.model_validate(item)
        except ValidationError as error:
            found.rejected.append(_rejected(index, _flaw(error)))
            continue
        incoming = message.incoming()
        flaw = source_flaw(message.source) or flaw_of(incoming)
        if flaw is None:
            found.by_source[message.source].append(incoming)
        else:
            found.rejected.append(_rejected(index, flaw))
    return found


def _flaw(error: ValidationError) -> Flaw:
    """The first thing wrong with an item."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])[:_FIELD_CHARS] or "the item"
    # A lone surrogate in a field's name could not be written into the reply.
    name = name.encode("ascii", "backslashreplace").decode()
    return Flaw(_CODES.get(first["type"], "invalid_field"), f"{name}: {first['msg']}")


def _rejected(index: int, flaw: Flaw) -> Rejected:
    return Rejected(index=index, code=flaw.code, detail=flaw.detail)
