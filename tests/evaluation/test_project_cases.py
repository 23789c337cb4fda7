"""Projects on the labelled cases: what CI watches."""

import pytest

from evaluation.project_cases import Told, accuracy, cases, rendered, told


@pytest.fixture(scope="module")
async def rows() -> list[Told]:
    return await told(cases())


def test_most_projects_are_told_right(rows: list[Told]) -> None:
    for kept_back, floor in ((False, 0.7), (True, 0.6)):
        found = accuracy([row for row in rows if row.case.kept_back is kept_back])
        assert found is not None
        assert found >= floor


def test_words_that_name_a_project_nearly_always_tell_it(rows: list[Told]) -> None:
    found = accuracy([row for row in rows if row.case.kind in ("keyword", "glossary", "suggested")])
    assert found is not None
    assert found >= 0.95


def test_the_report_is_a_table(rows: list[Told]) -> None:
    assert "| kept back | 32 | 0." in rendered(rows)
