"""What the analysis sees of a message: plain values, no table behind them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

MINUTE = timedelta(minutes=1)
MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as the prefilter, the prompt and the extractors see it. `sent_at` is aware (UTC), `utc_offset` how
    many minutes the writer's clock is ahead of it; `thread_id` and `reply_to` are the `external_id` of a message of the
    same channel."""

    id: UUID
    channel: str
    author: str
    sent_at: datetime
    text: str
    thread_id: str | None = None
    reply_to: str | None = None
    is_bot: bool = False
    external_id: str | None = None
    utc_offset: int = 0

    @property
    def local(self) -> datetime:
        """When it was sent by the writer's clock."""
        try:
            return self.sent_at.astimezone(timezone(self.utc_offset * MINUTE) if self.utc_offset else UTC)
        except OverflowError:  # in the first or the last year that there is
            return self.sent_at


def utc_offset(moment: datetime) -> int:
    """How many minutes the clock that an aware time is of is ahead of UTC, less than a day either way."""
    offset = moment.utcoffset()
    return 0 if offset is None else max(1 - MINUTES_A_DAY, min(round(offset / MINUTE), MINUTES_A_DAY - 1))


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One message as an importer or the API hands it to the database, keyed by (source, channel, external_id).

    `is_system` marks what a chat server wrote about itself (joins, topic changes): kept, never analysed. `utc_offset`
    is as a ChatMessage has it.
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
    utc_offset: int = 0
