"""Conversations for tests."""

from datetime import UTC, datetime, timedelta

from models.base import new_id
from models.conversation import ChatMessage

BEGIN = datetime(2025, 1, 6, 9, 0, tzinfo=UTC)
"""A Monday."""


def message(text: str, *, author: str = "alice", minute: float = 0, is_bot: bool = False) -> ChatMessage:
    """A message `minute` minutes after BEGIN."""
    sent_at = BEGIN + timedelta(minutes=minute)
    return ChatMessage(new_id(), "dev", author, sent_at, text, is_bot=is_bot)


def conversation(size: int, text: str = "please look at ticket number {}") -> list[ChatMessage]:
    """`size` messages by three people, a minute apart."""
    people = ("alice", "bob", "carol")
    return [message(text.format(i), author=people[i % 3], minute=i) for i in range(size)]
