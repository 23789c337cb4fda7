"""The question about doubtful pairs, and its answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answers import AnswerInvalidError
from analysis.same_work import Pair, answer_schema, fingerprint, parse, render

PAIRS = [Pair("Fix the login redirect", "Login redirect is broken"), Pair("Add dark mode", "Remove dark mode")]
SNAPSHOT = {"agent": {"model_name": "m", "temperature": None}, "provider": {"type": "openai"}}


def test_the_question_reads_like_this() -> None:
    prompt = render(PAIRS)
    first, *pairs, last = prompt.user.split("\n")
    assert pairs == [
        '[p1] "Fix the login redirect" | "Login redirect is broken"',
        '[p2] "Add dark mode" | "Remove dark mode"',
    ]
    assert first.removeprefix("<<<PAIRS ") == last.removeprefix("PAIRS>>> ")
    assert prompt.refs == {"p1": PAIRS[0], "p2": PAIRS[1]}
    assert render(PAIRS).user != prompt.user


@given(st.lists(st.builds(Pair, st.text(), st.text()), min_size=1, max_size=5))
def test_nothing_in_a_title_makes_a_line(pairs: list[Pair]) -> None:
    user = render(pairs).user
    assert len(user.splitlines()) == len(pairs) + 2
    assert sum(line.startswith(("<<<PAIRS", "PAIRS>>>")) for line in user.splitlines()) == 2


def test_an_answer_says_of_each_pair_whether_it_is_the_same_work() -> None:
    refs = render(PAIRS).refs
    said = {"pairs": [{"ref": "[P2]", "same": False, "why": "opposites"}, {"ref": "p1", "same": True}]}
    assert parse(json.dumps(said), refs) == {PAIRS[0]: True, PAIRS[1]: False}
    assert parse("```json\n" + json.dumps(said) + "\n```", refs) == {PAIRS[0]: True, PAIRS[1]: False}


def test_a_pair_that_an_answer_leaves_out_is_not_the_same() -> None:
    assert parse('{"pairs": []}', render(PAIRS).refs) == dict.fromkeys(PAIRS, False)


@pytest.mark.parametrize(
    "raw",
    ["", "yes", "{}", '{"pairs": [{"ref": "p1"}]}', '{"pairs": [{"ref": "p9", "same": true}]}', '{"proposals": []}'],
)
def test_an_answer_that_does_not_fit_is_refused(raw: str) -> None:
    with pytest.raises(AnswerInvalidError) as refused:
        parse(raw, render(PAIRS).refs)
    assert "p9" not in refused.value.reason


def test_the_schema_wants_a_verdict_for_each_ref() -> None:
    assert answer_schema()["required"] == ["pairs"]


def test_the_name_of_a_question_changes_with_its_pairs_and_its_model() -> None:
    other = {**SNAPSHOT, "agent": {"model_name": "n", "temperature": None}}
    names = {fingerprint(PAIRS, SNAPSHOT), fingerprint(PAIRS[:1], SNAPSHOT), fingerprint(PAIRS, other)}
    assert len(names) == 3
    assert fingerprint(list(PAIRS), SNAPSHOT) in names
