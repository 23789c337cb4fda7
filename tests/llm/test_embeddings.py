"""What titles mean, many at a time."""

import pytest

from llm import embeddings
from llm.embeddings import AT_ONCE, embed


async def test_many_titles_keep_their_order_and_are_measured_by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    real = embeddings._of

    def seen(titles: list[str]) -> list[list[float]]:
        calls.append(titles)
        return real(titles)

    monkeypatch.setattr(embeddings, "_of", seen)
    titles = [f"Order {'more ' * (number % 7)}paper {number}" for number in range(2 * AT_ONCE + 3)]

    vectors = await embed(titles)

    assert [len(call) for call in calls] == [AT_ONCE, AT_ONCE, 3]
    assert [title for call in calls for title in call] == sorted(titles, key=len)
    for place in (0, 5, len(titles) - 1):
        [alone] = await embed([titles[place]])
        assert vectors[place] == pytest.approx(alone, abs=1e-5)
