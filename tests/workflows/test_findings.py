"""What is found out about answers before anything is locked."""

import asyncio
from collections.abc import Sequence

import pytest

from activities import findings
from llm.embeddings import embed


async def test_titles_of_several_saves_are_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[str]] = []

    async def seen(titles: Sequence[str]) -> list[list[float]]:
        calls.append(list(titles))
        return await embed(titles)

    monkeypatch.setattr(findings, "embed", seen)
    titles = ["Fix the printer", "Order paper", "Book a room for the offsite"]
    meanings = findings.meanings()

    vectors = await asyncio.gather(*(meanings.do(None, title) for title in titles))

    assert calls == [titles]
    for title, vector in zip(titles, vectors, strict=True):
        [alone] = await embed([title])
        assert vector == pytest.approx(alone, abs=1e-5)
