"""Duplicates on the labelled pairs: what CI watches."""

from collections import Counter
from collections.abc import Sequence

import pytest

from analysis import same_work
from evaluation.pairs import Judged, judged, pairs, precision, recall, rendered
from tests.support.model_server import ModelServer
from tests.support.service import output_of


@pytest.fixture(scope="module")
async def rows() -> list[Judged]:
    return await judged(pairs())


def test_the_pairs_are_many_and_each_title_is_in_one_part_only() -> None:
    assert len(pairs()) >= 300
    kept_back, tuned_on = (
        {title for pair in pairs() if pair.kept_back is which for title in (pair.one, pair.other)}
        for which in (True, False)
    )
    assert not kept_back & tuned_on
    assert min(Counter(pair.kind for pair in pairs()).values()) >= 15


def test_a_link_is_firm_only_where_it_is_nearly_always_right(rows: list[Judged]) -> None:
    found, told = precision(rows, "same"), recall(rows, "same")
    assert found is not None
    assert told is not None
    assert (found >= 0.95, told >= 0.4) == (True, True), (found, told)


def test_most_duplicates_are_at_least_told_as_possible(rows: list[Judged]) -> None:
    found = recall(rows, "same", "possible")
    assert found is not None
    assert found >= 0.7


def test_no_opposite_and_no_other_number_is_ever_a_duplicate(rows: list[Judged]) -> None:
    wrong = [row.pair for row in rows if row.pair.kind in ("opposite", "other number") and row.verdict == "same"]
    assert wrong == []


def test_the_report_is_a_table(rows: list[Judged]) -> None:
    text = rendered(rows)
    assert "| kept back | " in text
    assert "| opposite | no | 0 |" in text


async def test_a_model_is_asked_about_what_is_doubtful_alone(rows: list[Judged]) -> None:
    asked: list[same_work.Pair] = []

    async def ask(of: Sequence[same_work.Pair]) -> dict[same_work.Pair, bool]:
        assert len(of) <= same_work.MOST_PAIRS
        asked.extend(of)
        return dict.fromkeys(of, True)

    told = await judged(pairs(), ask)
    doubtful = {same_work.Pair(row.pair.one, row.pair.other) for row in rows if row.verdict == "possible"}
    assert set(asked) == doubtful
    assert not [row for row in told if row.verdict == "possible"]


async def test_the_command_asks_the_model_that_it_is_given() -> None:
    with ModelServer() as model:
        at = ["--provider", "openai", "--model", "stand-in", "--base-url", model.base_url, "--api-key-variable", "KEY"]
        text = await output_of(["eval-duplicates", *at], {"KEY": "sk-test"})
        assert model.stats().calls > 0
    assert "| all | 391 |" in text
