"""What goes into the offline extractor and what comes out of it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from models.values import Category, Priority


@dataclass(frozen=True)
class OfflineMessage:
    """One line of chat. `ref` is what a task cites; line breaks in `text` are folded to ` ⏎ `."""

    ref: str
    author: str
    sent_at: datetime
    text: str


_PAUSE = timedelta(minutes=30)


def is_same_talk(earlier: OfflineMessage, later: OfflineMessage, pause: timedelta = _PAUSE) -> bool:
    """Whether two messages that stand one behind the other belong together: no thread begins anew between them, which
    shows in a clock that goes back, and no `pause`."""
    return timedelta(0) <= later.sent_at - earlier.sent_at <= pause


@dataclass(frozen=True)
class OfflineTask:
    """One task that the rules found.

    `title` has 5 to 200 characters. `confidence` (0–1) is a guess of how often a reviewer would approve a task that
    was found by the same rules (see `llm.offline.drafts`). `source_refs` are refs of the batch, in its order, at least
    one. `assignee` is an author of the batch or of its context. `quotes` are (ref, verbatim part of that message).
    """

    title: str
    description: str
    priority: Priority
    category: Category
    confidence: float
    reasoning: str
    source_refs: tuple[str, ...]
    assignee: str | None
    due_date: date | None
    tags: tuple[str, ...]
    quotes: tuple[tuple[str, str], ...]
