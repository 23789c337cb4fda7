"""A proposal as a text for an editor."""

from typing import Any

import pytest

from commands.review_form import FormError, changes, form

PROPOSAL: dict[str, Any] = {
    "proposed_title": "Fix the login: redirect",
    "proposed_assignee": None,
    "proposed_priority": "high",
    "proposed_category": "bug",
    "due_date": "2026-03-12",
    "proposed_tags": ["shop", "login"],
    "proposed_description": "It goes to the wrong page.\n\n# not a comment",
}


def test_an_untouched_form_changes_nothing() -> None:
    assert changes(PROPOSAL, form(PROPOSAL)) == {}


def test_a_form_without_its_help_is_still_a_form() -> None:
    text = "\n".join(line for line in form(PROPOSAL).splitlines() if not line.startswith("# C"))
    assert changes(PROPOSAL, text) == {}


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("title: Fix the login: redirect", "title: Mend the login", {"proposed_title": "Mend the login"}),
        ("owner: ", "owner: dana", {"proposed_assignee": "dana"}),
        ("due: 2026-03-12", "due:", {"due_date": None}),
        ("tags: shop, login", "tags: shop,, web ,", {"proposed_tags": ["shop", "web"]}),
        ("It goes to", "It leads to", {"proposed_description": "It leads to the wrong page.\n\n# not a comment"}),
        ("title: Fix the login: redirect\n", "", {}),
    ],
)
def test_what_differs_is_changed(before: str, after: str, changed: dict[str, Any]) -> None:
    assert before in form(PROPOSAL)
    assert changes(PROPOSAL, form(PROPOSAL).replace(before, after)) == changed


def test_a_line_that_is_no_field_is_named() -> None:
    with pytest.raises(FormError, match="colour"):
        changes(PROPOSAL, form(PROPOSAL).replace("title:", "colour: red\ntitle:"))


def test_an_emptied_text_is_no_change_of_the_fields() -> None:
    assert changes(PROPOSAL, "") == {"proposed_description": ""}
