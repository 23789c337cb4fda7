"""What titles mean, measured for several who ask at once."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm import embeddings
from llm.embeddings import AT_ONCE, embed
from tests.support.waiting import until

TITLES = [f"Fix the printer on floor {number}{' and tell everybody' * (number % 3)}" for number in range(6)]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """The titles of each call of the model."""
    calls: list[list[str]] = []
    real = embeddings._of

    def seen(titles: list[str]) -> list[list[float]]:
        calls.append(titles)
        if "break" in titles:
            raise ValueError
        return real(titles)

    monkeypatch.setattr(embeddings, "_of", seen)
    yield calls
    embeddings._waiting.clear()


async def test_who_waits_for_the_model_is_seen_to_together(measured: list[list[str]]) -> None:
    alone = [(await embed([title]))[0] for title in TITLES]
    measured.clear()

    together = await _meanwhile_taken([[title] for title in TITLES])

    assert [sorted(call) for call in measured] == [sorted(TITLES)]
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, list)
        assert one[0] == pytest.approx(other, abs=1e-5)


async def test_what_one_can_t_have_measured_is_not_the_others_loss(measured: list[list[str]]) -> None:
    [*good, bad] = await _meanwhile_taken([[TITLES[0]], [TITLES[1]], ["break"]])

    assert isinstance(bad, ValueError)
    assert all(isinstance(one, list) for one in good)
    assert ["break"] in measured


async def test_many_titles_keep_their_order_and_are_measured_by_length(measured: list[list[str]]) -> None:
    titles = [f"Order {'more ' * (number % 7)}paper {number}" for number in range(2 * AT_ONCE + 3)]

    vectors = await embed(titles)

    assert [len(call) for call in measured] == [AT_ONCE, AT_ONCE, 3]
    assert [title for call in measured for title in call] == sorted(titles, key=len)
    for place in (0, 5, len(titles) - 1):
        [alone] = await embed([titles[place]])
        assert vectors[place] == pytest.approx(alone, abs=1e-5)


async def _meanwhile_taken(wishes: list[list[str]]) -> list[list[list[float]] | BaseException]:
    """What comes of these wishes, all of which were made while somebody had the model."""
    with ThreadPoolExecutor(len(wishes)) as threads:
        loop = asyncio.get_running_loop()
        with embeddings._one_at_a_time:
            made = [loop.run_in_executor(threads, embeddings._embed, titles) for titles in wishes]

            async def waiting() -> int:
                return len(embeddings._waiting)

            await until(waiting, lambda count: count == len(wishes))
        return await asyncio.gather(*made, return_exceptions=True)
