"""What the analysis sees of a message: plain values, no table behind them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as the prefilter, the prompt and the extractors see it. `sent_at` is aware (UTC); `thread_id` and
    `reply_to` are the `external_id` of a message of the same channel."""

    id: UUID
    channel: str
    author: str
    sent_at: datetime
    text: str
    thread_id: str | None = None
    reply_to: str | None = None
    is_bot: bool = False
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One message as an importer or the API hands it to the database, keyed by (source, channel, external_id).

    `is_system` marks what a chat server wrote about itself (joins, topic changes): kept, never analysed.
    """

    channel: str
    external_id: str
    author: str
    sent_at: datetime
    content: str
    thread_id: str | None = None
    reply_to: str | None = None
    is_bot: bool = False
    is_system: bool = False
