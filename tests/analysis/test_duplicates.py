"""When two titles mean the same work."""

import pytest

from analysis.duplicates import compare

NEAR = 0.9


@pytest.mark.parametrize(
    ("new", "earlier"),
    [
        ("Fix login redirect bug on checkout", "Fix the redirect of the login on checkout"),
        ("update docs for auth module", "Update the documentation for the authentication module"),
        ("Buy a new coffee machine", "Order a new coffee machine"),
        ("Login fails on Safari", "Fix the login on Safari"),
        ("Review PR 318", "Review pull request 318"),
        ("Fix teh broken pipline on main", "Fix the broken pipeline on main"),
        ("Set up the VPN for Dmytro", "setup Dmytro's VPN"),
        ("Upgrade Postgres to 16 during the Sunday window", "Upgrade Postgres to 16"),
    ],
)
def test_other_words_for_the_same_work(new: str, earlier: str) -> None:
    assert compare(new, earlier, NEAR).verdict == "same"
    assert compare(earlier, new, NEAR).verdict == "same"


@pytest.mark.parametrize(
    ("new", "earlier", "conflict"),
    [
        ("Add dark mode", "Remove dark mode", "opposite"),
        ("Subscribe the team to the status page", "Unsubscribe the team from the status page", "opposite"),
        ("Encrypt the export files", "Decrypt the export files", "opposite"),
        ("Turn on verbose logging", "Turn off verbose logging", "opposite"),
        ("Upgrade Django to 4.2", "Upgrade Django to 5.0", "number"),
        ("Close ticket OPS-1187", "Close ticket OPS-1178", "number"),
        ("Fix the share sheet on iOS", "Fix the share sheet on Android", "choice"),
        ("Move the meeting to Monday", "Move the meeting to Tuesday", "choice"),
        ("Ask Mira for the hotel receipts", "Ask Goran for the hotel receipts", "name"),
        ("Refactor sync.go", "Refactor parse.go", "name"),
    ],
)
def test_what_tells_them_apart_is_said(new: str, earlier: str, conflict: str) -> None:
    found = compare(new, earlier, 0.99)
    assert (found.verdict, conflict in found.conflicts) == ("different", True)


@pytest.mark.parametrize(
    ("new", "earlier"),
    [
        ("Update the billing docs", "Update the deployment docs"),
        ("Write tests for the parser", "Rewrite the parser"),
        ("Draft the blog post", "Publish the blog post"),
    ],
)
def test_where_both_say_something_of_their_own_a_person_has_to_look(new: str, earlier: str) -> None:
    assert compare(new, earlier, NEAR).verdict == "possible"
    assert compare(new, earlier, 0.5).verdict == "different"


def test_a_reviewer_is_told_the_difference() -> None:
    found = compare("Update the billing docs", "Update the deployment docs", NEAR)
    assert found.summary() == {"verdict": "possible_duplicate", "added": ["billing"], "missing": ["deployment"]}


def test_words_alone_are_not_the_same_work() -> None:
    assert compare("Fix it", "Fix it", 0.1).verdict == "different"
    assert compare("", "Fix it", 1.0).verdict == compare("???", "!!!", 1.0).verdict == "different"
