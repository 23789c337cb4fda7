"""What a model's answer must be, and what is made of it."""

import json
from datetime import date
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answers import AnswerInvalidError, answer_schema
from analysis.prompts import refs_of
from analysis.proposals import MAX_QUOTE, ProposalDraft, parse_answer
from models.conversation import ChatMessage
from tests.support.chat import conversation, message

BATCH = [
    message("Carol Jones, can you fix the  login\nbug by Friday?", author="alice"),
    message("sure", author="Carol Jones", minute=2),
    message("@bob the docs need an update", author="alice", minute=4),
    message("build failed", author="ci", minute=5, is_bot=True),
    message("unrelated", author="bob", minute=61),
]
REFS = refs_of(BATCH)
GOOD: dict[str, Any] = {
    "title": "Fix the login bug",
    "description": "Login fails.",
    "priority": "high",
    "category": "bug",
    "confidence": 0.9,
    "reasoning": "Carol took it.",
    "recommendation": "new_task",
    "source_message_ids": ["m1", "m2"],
}


def parsed(**changes: object) -> ProposalDraft:
    (draft,) = parse_answer({"proposals": [GOOD | changes]}, REFS, BATCH)
    return draft


def reason(answer: object) -> str:
    with pytest.raises(AnswerInvalidError) as caught:
        parse_answer(answer if isinstance(answer, str) else json.dumps(answer), REFS, BATCH)
    return caught.value.reason


def test_a_good_answer_becomes_drafts() -> None:
    draft = parsed(
        assignee="Carol Jones",
        due_date="2025-01-10",
        project_name="Apollo",
        tags=["login", "web"],
        quotes=[{"ref": "m1", "text": "can you fix the login ⏎ bug"}],
    )

    assert draft == ProposalDraft(
        title="Fix the login bug",
        description="Login fails.",
        priority="high",
        category="bug",
        tags=("login", "web"),
        assignee="Carol Jones",
        due_date=date(2025, 1, 10),
        confidence=0.9,
        reasoning="Carol took it.",
        recommendation="new_task",
        source_message_ids=(BATCH[0].id, BATCH[1].id),
        evidence=((BATCH[0].id, "can you fix the  login\nbug"), (BATCH[1].id, "sure")),
        message_count=2,
        time_span_seconds=120,
        project_name="Apollo",
    )


def test_no_proposals_are_a_good_answer() -> None:
    assert parse_answer('{"proposals": []}', REFS, BATCH) == []


@pytest.mark.parametrize(
    "raw", ['```json\n{"proposals": []}\n```', 'Here it is:\n```\n{"proposals": []}\n```', ' {"proposals": []}\n']
)
def test_a_markdown_fence_around_the_answer_does_no_harm(raw: str) -> None:
    assert parse_answer(raw, REFS, BATCH) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": ""}, "proposals.0.title must have 1 to 200 characters"),
        ({"title": "   "}, "proposals.0.title must have 1 to 200 characters"),
        ({"title": "x" * 201}, "proposals.0.title must have 1 to 200 characters"),
        ({"title": 5}, "proposals.0.title"),
        ({"priority": "urgent"}, "proposals.0.priority must be one of low, medium, high, critical"),
        ({"category": "docs"}, "proposals.0.category must be one of bug, feature, improvement, question, chore"),
        ({"recommendation": "maybe"}, "proposals.0.recommendation must be one of new_task"),
        ({"confidence": 1.01}, "proposals.0.confidence must be a number from 0 to 1"),
        ({"confidence": -0.1}, "proposals.0.confidence must be a number from 0 to 1"),
        ({"confidence": "high"}, "proposals.0.confidence must be a number from 0 to 1"),
        ({"confidence": True}, "proposals.0.confidence must be a number from 0 to 1"),
        ({"confidence": float("nan")}, "proposals.0.confidence must be a number from 0 to 1"),
        ({"source_message_ids": []}, "proposals.0.source_message_ids must list at least one REF"),
        ({"source_message_ids": "m1"}, "proposals.0.source_message_ids must list at least one REF"),
        ({"source_message_ids": ["m1", "m6"]}, "m1 to m5; these are not: proposals.0.source_message_ids.1"),
        ({"source_message_ids": ["context"]}, "these are not: proposals.0.source_message_ids.0"),
        ({"source_message_ids": [1]}, "proposals.0.source_message_ids.0 has the wrong type"),
    ],
)
def test_what_would_mislead_a_reviewer_is_refused_with_the_reason(changes: dict[str, Any], said: str) -> None:
    assert said in reason({"proposals": [GOOD | changes]})


@pytest.mark.parametrize("field", ["title", "category", "confidence", "source_message_ids"])
def test_what_a_proposal_can_not_do_without_is_missed(field: str) -> None:
    assert f"proposals.0.{field} is missing" in reason({"proposals": [{k: v for k, v in GOOD.items() if k != field}]})


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I found two tasks.",
        '{"proposals": [',
        "[]",
        "null",
        "3",
        '{"tasks": []}',
        '{"proposals": {}}',
        "[" * 20_000,
    ],
)
def test_what_is_no_answer_is_refused(answer: str) -> None:
    assert "proposals" in reason(answer) or "the answer" in reason(answer)


def test_one_bad_proposal_spoils_the_answer_and_many_errors_are_summed_up() -> None:
    assert "proposals.1.title" in reason({"proposals": [GOOD, GOOD | {"title": ""}]})
    assert "There are 12 further errors." in reason({"proposals": [GOOD | {"title": ""}] * 20})


def test_a_reason_never_repeats_what_was_written() -> None:
    canary = "canary-7f3a"
    changes: list[dict[str, Any]] = [
        {"priority": canary},
        {"confidence": canary},
        {"source_message_ids": [canary]},
        {"title": canary * 50},
    ]
    for change in changes:
        assert canary not in reason({"proposals": [GOOD | change]})


def test_harmless_things_are_taken_as_they_are_meant() -> None:
    draft = parsed(
        title=" Fix\x00 the\n login ",
        priority=" HIGH ",
        category="Bug",
        source_message_ids=["[m2]", "M1", "m1"],
        tags=[" web ", "web", "", 3, "a\nb"],
        due_date="next Friday",
        project_name="",
        quotes="none",
        subtasks=["one"],
    )

    assert draft.title == "Fix the login"
    assert (draft.priority, draft.category) == ("high", "bug")
    assert draft.source_message_ids == (BATCH[0].id, BATCH[1].id)
    assert draft.tags == ("web", "a b")
    assert (draft.due_date, draft.project_name) == (None, None)


@pytest.mark.parametrize(
    "field", ["description", "reasoning", "assignee", "due_date", "tags", "quotes", "project_name"]
)
def test_what_may_be_left_out_may_be_null(field: str) -> None:
    assert parsed(**{field: None}).title == GOOD["title"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-01-10", date(2025, 1, 10)),
        ("2025-01-10T17:00:00Z", date(2025, 1, 10)),
        ("2025-13-40", None),
        (20250110, None),
    ],
)
def test_a_due_date_is_a_day_or_none(text: object, day: date | None) -> None:
    assert parsed(due_date=text).due_date == day


@pytest.mark.parametrize(
    ("assignee", "cited", "found"),
    [
        ("alice", ["m1"], "alice"),
        ("@Alice", ["m1"], "alice"),
        ("Carol Jones", ["m2"], "Carol Jones"),
        ("Carol Jones", ["m1"], "Carol Jones"),
        ("carol", ["m1"], "Carol Jones"),
        ("bob", ["m3"], "bob"),
        ("bob", ["m1"], None),
        ("ci", ["m4"], None),
        ("the team", ["m1"], None),
        ("mallory", ["m1"], None),
        ("", ["m1"], None),
        (7, ["m1"], None),
    ],
)
def test_an_assignee_is_an_author_named_in_the_evidence_or_nobody(
    assignee: object, cited: list[str], found: str | None
) -> None:
    assert parsed(assignee=assignee, source_message_ids=cited).assignee == found


def test_a_first_name_that_two_people_have_means_nobody() -> None:
    batch = [message("Ann will do it", author="Ann Lee"), message("no, me", author="Ann Roe", minute=1)]
    answer = {"proposals": [GOOD | {"assignee": "Ann", "source_message_ids": ["m1", "m2"]}]}

    (draft,) = parse_answer(answer, refs_of(batch), batch)

    assert draft.assignee is None


@pytest.mark.parametrize("author", ["priya.n", "priya_n", "priya-n", "Priya N"])
def test_the_first_part_of_a_nick_names_its_owner(author: str) -> None:
    batch = [message("and priya: release notes", author="bob"), message("fine", author=author, minute=1)]
    answer = {"proposals": [GOOD | {"assignee": author, "source_message_ids": ["m1"]}]}

    (draft,) = parse_answer(answer, refs_of(batch), batch)

    assert draft.assignee == author


def test_an_author_whose_name_is_shown_without_brackets_is_found_again() -> None:
    batch = [message("I'll do it", author="Ann (PM) [lead]")]
    answer = {"proposals": [GOOD | {"assignee": "Ann {PM} {lead}", "source_message_ids": ["m1"]}]}

    (draft,) = parse_answer(answer, refs_of(batch), batch)

    assert draft.assignee == "Ann (PM) [lead]"


@pytest.mark.parametrize(
    "quotes",
    [
        [],
        [{"ref": "m1", "text": "words that nobody wrote"}],
        [{"ref": "m5", "text": "unrelated"}],
        [{"ref": "m1", "text": ""}],
        [{"ref": "m99", "text": "sure"}],
        [{"text": "login"}],
        ["login"],
    ],
)
def test_without_a_true_quote_the_evidence_is_the_beginning_of_the_message(quotes: list[Any]) -> None:
    assert parsed(quotes=quotes).evidence == ((BATCH[0].id, BATCH[0].text), (BATCH[1].id, "sure"))


@given(
    texts=st.lists(st.text(max_size=400), min_size=1, max_size=4),
    quotes=st.lists(st.tuples(st.integers(1, 5), st.text(max_size=30)), max_size=4),
    cut=st.tuples(st.integers(0, 100), st.integers(0, 100)),
)
def test_evidence_always_stands_in_its_message(
    texts: list[str], quotes: list[tuple[int, str]], cut: tuple[int, int]
) -> None:
    batch = [message(text, minute=i) for i, text in enumerate(texts)]
    taken = [(1, texts[0][cut[0] : cut[0] + cut[1]]), *quotes]
    answer = {
        "proposals": [
            GOOD
            | {
                "source_message_ids": [f"m{i}" for i in range(1, len(texts) + 1)],
                "quotes": [{"ref": f"m{number}", "text": text} for number, text in taken],
            }
        ]
    }

    (draft,) = parse_answer(answer, refs_of(batch), batch)

    by_id = {m.id: m.text for m in batch}
    assert [message_id for message_id, _ in draft.evidence] == list(by_id)
    for message_id, quote in draft.evidence:
        assert quote in by_id[message_id]
        assert len(quote) <= MAX_QUOTE


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda value: st.lists(value) | st.dictionaries(st.text(), value),
)


@given(json_values)
def test_any_other_json_is_refused(value: object) -> None:
    for answer in (value, {"proposals": [value]}, {"proposals": value or None}):
        with pytest.raises(AnswerInvalidError):
            parse_answer(json.dumps(answer), REFS, BATCH)


changed = st.sampled_from([*sorted(GOOD), "assignee", "due_date", "tags", "quotes", "project_name"])
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text() | st.integers())


@given(st.dictionaries(changed, values, max_size=4))
def test_whatever_a_field_holds_the_drafts_are_fit_for_the_database_or_the_answer_is_refused(
    changes: dict[str, Any],
) -> None:
    try:
        draft = parsed(**changes)
    except AnswerInvalidError:
        return
    assert 1 <= len(draft.title) <= 200
    assert 0 <= draft.confidence <= 1
    assert draft.source_message_ids
    assert draft.assignee is None or draft.assignee in {m.author for m in BATCH}
    for text in (draft.title, draft.description, draft.reasoning, draft.project_name or "", *draft.tags):
        assert "\x00" not in text
        assert text.encode("utf-8") is not None


def test_the_schema_asks_for_all_that_a_good_answer_has_and_takes_it() -> None:
    schema = answer_schema()

    jsonschema.validate({"proposals": [GOOD]}, schema)
    for field in GOOD:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"proposals": [{k: v for k, v in GOOD.items() if k != field}]}, schema)


def test_times_span_the_cited_messages_only() -> None:
    batch: list[ChatMessage] = conversation(5)
    answer = {"proposals": [GOOD | {"source_message_ids": ["m5", "m2"]}]}

    (draft,) = parse_answer(answer, refs_of(batch), batch)

    assert draft.time_span_seconds == 180
    assert draft.message_count == 2
    assert draft.source_message_ids == (batch[1].id, batch[4].id)
