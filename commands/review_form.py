"""A proposal as a text that an editor changes: a line for each field, then the description."""

from collections.abc import Mapping
from typing import Any

_FIELDS = {
    "title": "proposed_title",
    "owner": "proposed_assignee",
    "priority": "proposed_priority",
    "category": "proposed_category",
    "due": "due_date",
    "tags": "proposed_tags",
}
_DESCRIPTION = "proposed_description"
_HELP = (
    "# Change what you like; save and leave. Lines that begin with # are comments. An empty owner is nobody, an empty\n"
    "# due date is none. Priority: low, medium, high, critical. Category: bug, feature, improvement, question, chore.\n"
)


class FormError(Exception):
    """The text isn't a form any more."""


def form(proposal: Mapping[str, Any]) -> str:
    lines = [f"{name}: {_shown(proposal[column])}" for name, column in _FIELDS.items()]
    return f"{_HELP}{chr(10).join(lines)}\n\n{proposal[_DESCRIPTION]}\n"


def changes(proposal: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The fields that the text gives another value than the proposal has; FormError where it can't be read."""
    head, _, description = _without_help(text).partition("\n\n")
    wanted: dict[str, Any] = {_DESCRIPTION: description.strip()}
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        column = _FIELDS.get(name.strip())
        if not colon or column is None:
            raise FormError(f"“{line[:60]}” is no field; the fields are {', '.join(_FIELDS)}.")
        wanted[column] = _read(column, value.strip())
    return {column: value for column, value in wanted.items() if value != _present(proposal, column)}


def _without_help(text: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    first = next((number for number, line in enumerate(lines) if line and not line.startswith("#")), len(lines))
    return "\n".join(lines[first:])


def _present(proposal: Mapping[str, Any], column: str) -> Any:
    return proposal[column].strip() if column == _DESCRIPTION else proposal[column]


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else value or ""


def _read(column: str, value: str) -> Any:
    if column == "proposed_tags":
        return [tag.strip() for tag in value.split(",") if tag.strip()]
    return value or (None if column in ("proposed_assignee", "due_date") else value)
