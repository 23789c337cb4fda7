"""Conversations for the offline extractor, and what it finds in them."""

from datetime import UTC, datetime, timedelta

from llm.offline import OfflineMessage, OfflineTask, extract_tasks

WEDNESDAY = datetime(2025, 3, 5, 9, 0, tzinfo=UTC)


def said(*lines: tuple[str, str], start: datetime = WEDNESDAY, prefix: str = "m") -> list[OfflineMessage]:
    """A conversation of (author, text), a minute between the lines, with refs m1, m2 …"""
    return [
        OfflineMessage(f"{prefix}{number}", author, start + timedelta(minutes=number), text)
        for number, (author, text) in enumerate(lines, 1)
    ]


def tasks(*lines: tuple[str, str]) -> list[OfflineTask]:
    return extract_tasks(said(*lines))


def the_task(*lines: tuple[str, str]) -> OfflineTask:
    found = tasks(*lines)
    assert len(found) == 1, [task.title for task in found]
    return found[0]
