"""The offline extractor on any text."""

from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm.offline import extract_tasks
from models.values import Category, Priority
from tests.support.effort import effort
from tests.support.talks import said

_WORDS = """
    @Ben can you please fix it that by Friday I'll on it never mind done ``` ⏎ > we need to #action Ben to sure no
    @Ana: ; ? ! ... 🙄 https://example.org/x @§0 @§99 update the docs and also send me 2025-13-45 31 February
"""
_PIECES = st.sampled_from(_WORDS.split())
_TEXTS = st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=25).map(" ".join))
_AUTHORS = st.one_of(st.sampled_from(["Ana", "Ben Cole", "ogre_|x", "", " ", "buildbot"]), st.text(max_size=12))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(_AUTHORS, _TEXTS), max_size=12))
def test_any_text_gives_valid_tasks_and_the_same_ones_again(lines: list[tuple[str, str]]) -> None:
    batch = said(*lines)
    found = extract_tasks(batch)
    assert found == extract_tasks(batch)
    texts = {message.ref: message.text for message in batch}
    for task in found:
        assert 5 <= len(task.title) <= 200
        assert task.source_refs
        assert len(set(task.source_refs)) == len(task.source_refs)
        assert set(task.source_refs) <= set(texts)
        assert task.assignee is None or task.assignee in {author for author, _ in lines}
        assert task.priority in get_args(Priority)
        assert task.category in get_args(Category)
        assert 0.5 <= task.confidence <= 1
        assert all(quote in texts[ref] for ref, quote in task.quotes)


@pytest.mark.parametrize("text", ["!" * 100_000, "a " * 50_000, "@Ben, " * 20_000, "can you " * 12_000, "(" * 99_999])
def test_a_hundred_thousand_characters_are_little_work(text: str) -> None:
    batch = said(("Ana", text), ("Ben", "ok"))
    assert effort(lambda: extract_tasks(batch)) < 6
