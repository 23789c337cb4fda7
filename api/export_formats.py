"""Tasks and proposals as CSV, JSON Lines and Markdown, text by text."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from api.schemas.task import TaskView
from models.proposal_views import ProposalView

Format = Literal["csv", "jsonl", "markdown"]

MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "markdown": "text/markdown; charset=utf-8",
}
ENDINGS: dict[Format, str] = {"csv": "csv", "jsonl": "jsonl", "markdown": "md"}

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a text for a formula, the full-width forms of the signs among it."""
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~@$^]|://|www\.", re.IGNORECASE)
"""What Markdown could take for more than text inside a line, bare addresses among it."""
_BREAKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Quote:
    """Words of a message that show the item, and who wrote them when."""

    author: str
    at: datetime
    words: str


@dataclass(frozen=True)
class Item:
    """A task or a proposal. `group` is the heading that Markdown puts it under."""

    view: TaskView | ProposalView
    group: str
    quotes: Sequence[Quote] = ()


class Writer(Protocol):
    """Makes one document of any number of parts."""

    def begin(self) -> str: ...

    def part(self, items: Sequence[Item]) -> str: ...


class CsvWriter:
    """RFC 4180 with a header, everything in quotes. Lists are joined by `; `, times are ISO 8601 in UTC. A text that a
    spreadsheet would take for a formula gets an apostrophe before it."""

    def __init__(self, view: type[TaskView] | type[ProposalView]) -> None:
        self._columns = list(view.model_fields)

    def begin(self) -> str:
        return self._lines([self._columns])

    def part(self, items: Sequence[Item]) -> str:
        rows = (item.view.model_dump(mode="json") for item in items)
        return self._lines([_cell(row[column]) for column in self._columns] for row in rows)

    def _lines(self, rows: Iterable[Sequence[object]]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
        return text.getvalue()


class JsonLinesWriter:
    """Each line is what the API shows of the item."""

    def begin(self) -> str:
        return ""

    def part(self, items: Sequence[Item]) -> str:
        return "".join(f"{item.view.model_dump_json()}\n" for item in items)


class MarkdownWriter:
    """A list to tick off under a heading for each group, with the words of the evidence. What people and models wrote
    is text in it and nothing else. Items of a group come together."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._group: str | None = None

    def begin(self) -> str:
        return f"# {self._title}\n"

    def part(self, items: Sequence[Item]) -> str:
        return "".join(f"{line}\n" for item in items for line in self._lines(item))

    def _lines(self, item: Item) -> Iterator[str]:
        if item.group != self._group:
            self._group = item.group
            yield from ("", f"## {_text(item.group)}", "")
        yield _task_line(item.view) if isinstance(item.view, TaskView) else _proposal_line(item.view)
        for quote in item.quotes:
            yield f"  - “{_text(quote.words)}” – {_text(quote.author)}, {quote.at:%Y-%m-%d %H:%M} UTC"


def writer(kind: Literal["tasks", "proposals"], format_: Format) -> Writer:
    match format_:
        case "csv":
            return CsvWriter(TaskView if kind == "tasks" else ProposalView)
        case "jsonl":
            return JsonLinesWriter()
        case "markdown":
            return MarkdownWriter(kind.capitalize())


def _cell(value: Any) -> object:
    if isinstance(value, list):
        value = "; ".join(one["quote"] if isinstance(one, dict) else str(one) for one in value)
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _task_line(task: TaskView) -> str:
    box = "x" if task.status in ("completed", "closed") else " "
    facts = (task.status, task.priority, task.category, *_who_and_when(task.assignee, task.due_date))
    link = f" – [{_text(task.external_id or 'tracker')}](<{_address(task.external_url)}>)" if task.external_url else ""
    return f"- [{box}] **{_text(task.title)}** – {', '.join(facts)}{link}"


def _proposal_line(proposal: ProposalView) -> str:
    box = " " if proposal.status == "pending" else "x"
    facts = (
        proposal.status,
        proposal.proposed_priority,
        proposal.proposed_category,
        *_who_and_when(proposal.proposed_assignee, proposal.due_date),
        f"confidence {proposal.confidence:.2f}",
    )
    return f"- [{box}] **{_text(proposal.proposed_title)}** – {', '.join(facts)}"


def _who_and_when(assignee: str | None, due: object) -> Iterator[str]:
    if assignee:
        yield f"owner {_text(assignee)}"
    if due:
        yield f"due {due}"


def _text(words: str) -> str:
    """One line that Markdown shows as it was written."""
    return _MARKUP.sub(lambda found: _escaped(found.group()), _BREAKS.sub(" ", words).strip())


def _escaped(found: str) -> str:
    return {"://": r"\://"}.get(found, f"{found[:-1]}\\." if found.lower() == "www." else f"\\{found}")


def _address(url: str) -> str:
    return url.replace("\\", "%5C").replace("<", "%3C").replace(">", "%3E")
