"""What exports make of whatever people and models write."""

import csv
import io
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from api.export_formats import CsvWriter, Item, JsonLinesWriter, MarkdownWriter, Quote, Writer, _cell
from api.schemas.task import TaskView
from models.base import new_id

AT = datetime(2026, 3, 10, 8, 5, tzinfo=UTC)
NASTY = 'Ship "parts", now; поїхали 🚀\n=1+1\r\n- [x] <b>done</b> [free](https://evil.example) | `rm`\x1b[31m'


def task(**values: Any) -> TaskView:
    known: dict[str, Any] = {
        "id": new_id(),
        "title": "Fix the login",
        "description": "",
        "status": "open",
        "priority": "high",
        "category": "bug",
        "tags": [],
        "assignee": None,
        "due_date": None,
        "project_config_id": None,
        "parent_task_id": None,
        "incident_count": 1,
        "external_system": None,
        "external_id": None,
        "external_url": None,
        "created_at": AT,
        "updated_at": AT,
        "version": 1,
    }
    return TaskView.model_validate(known | values)


def written(writer: Writer, *parts: list[Item]) -> str:
    return writer.begin() + "".join(map(writer.part, parts))


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_brings_every_text_back_as_it_was() -> None:
    items = [Item(task(title=NASTY, tags=["a", "b; c"], due_date=date(2026, 4, 1)), ""), Item(task(), "")]
    text = written(CsvWriter(TaskView), items[:1], items[1:])
    first, second = read_csv(text)
    assert (first["title"], first["tags"], first["due_date"]) == (NASTY, "a; b; c", "2026-04-01")
    assert (second["assignee"], second["incident_count"], second["created_at"]) == ("", "1", "2026-03-10T08:05:00Z")
    assert text.count("title") == 1
    assert text.endswith("\r\n")


@pytest.mark.parametrize("title", ['=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_hands_no_formula_to_a_spreadsheet(title: str) -> None:
    [row] = read_csv(written(CsvWriter(TaskView), [Item(task(title=title), "")]))
    assert row["title"] == f"'{title}"


def test_csv_holds_what_is_an_object_as_json() -> None:
    assert json.loads(str(_cell({"verdict": "duplicate", "title": None}))) == {"verdict": "duplicate", "title": None}


def test_json_lines_are_what_the_api_shows() -> None:
    views = [task(title=NASTY), task()]
    lines = written(JsonLinesWriter(), [Item(view, "") for view in views]).splitlines()
    assert [json.loads(line) for line in lines] == [view.model_dump(mode="json") for view in views]


def test_markdown_has_a_heading_a_group_though_it_comes_in_parts() -> None:
    parts = [[Item(task(), "Web")], [Item(task(status="closed"), "Web"), Item(task(), "Shop")]]
    text = written(MarkdownWriter("Tasks"), *parts)
    assert text.splitlines() == [
        "# Tasks",
        "",
        "## Web",
        "",
        "- [ ] **Fix the login** – open, high, bug",
        "- [x] **Fix the login** – closed, high, bug",
        "",
        "## Shop",
        "",
        "- [ ] **Fix the login** – open, high, bug",
    ]


def test_markdown_shows_owner_date_link_and_the_words_that_show_it() -> None:
    linked = task(assignee="dana", due_date=date(2026, 4, 1), external_id="ENG-7", external_url="https://t.example/7")
    text = written(MarkdownWriter("Tasks"), [Item(linked, "Web", [Quote("ada", AT, "please fix it")])])
    assert text.splitlines()[-2:] == [
        "- [ ] **Fix the login** – open, high, bug, owner dana, due 2026-04-01 – [ENG-7](<https://t.example/7>)",
        "  - “please fix it” – ada, 2026-03-10 08:05 UTC",
    ]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("[free](https://evil.example)", r"\[free\](https\://evil.example)"),
        ("see WWW.evil.example", r"see WWW\.evil.example"),
        ("<img src=x>", r"\<img src=x\>"),
        ("**bold** _it_ `code`", r"\*\*bold\*\* \_it\_ \`code\`"),
        ("one\n\n# two\n- three", "one # two - three"),
        ("a\\", "a\\\\"),
        ("&lt; ~~gone~~ a|b me@evil.example", r"\&lt; \~\~gone\~\~ a\|b me\@evil.example"),
    ],
)
def test_markdown_takes_no_word_for_more_than_text(words: str, shown: str) -> None:
    text = written(MarkdownWriter("Tasks"), [Item(task(title=words), words, [Quote(words, AT, words)])])
    assert f"## {shown}\n" in text
    assert f"**{shown}**" in text
    assert f"“{shown}” – {shown}, " in text


def test_markdown_keeps_an_address_inside_its_brackets() -> None:
    text = written(MarkdownWriter("Tasks"), [Item(task(external_url="https://t.example/>)[x](<y"), "")])
    assert text.rstrip().endswith("[tracker](<https://t.example/%3E)[x](%3Cy>)")


def test_nothing_to_export_is_a_document_too() -> None:
    assert read_csv(written(CsvWriter(TaskView))) == []
    assert written(JsonLinesWriter()) == ""
    assert written(MarkdownWriter("Tasks")) == "# Tasks\n"
