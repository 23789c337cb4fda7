"""How well duplicates are told from tasks that only look like them, on pairs of titles written for it."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from operator import mul

from analysis import same_work
from analysis.closing import ratio
from analysis.duplicates import Verdict, compare
from llm.embeddings import embed


@dataclass(frozen=True)
class Pair:
    """Two titles, whether they are the same work, and in which way. Nobody tunes on those that are `kept_back`."""

    one: str
    other: str
    same: bool
    kind: str
    kept_back: bool


@dataclass(frozen=True)
class Judged:
    pair: Pair
    verdict: Verdict


@cache
def pairs() -> Sequence[Pair]:
    return tuple(Pair(**row) for row in json.loads(resources.files("evaluation").joinpath("pairs.json").read_text()))


Ask = Callable[[Sequence[same_work.Pair]], Awaitable[Mapping[same_work.Pair, bool]]]
"""Asks a model of each pair whether it is the same work."""


async def judged(chosen: Sequence[Pair], ask: Ask | None = None) -> list[Judged]:
    """Each pair as the pipeline judges it: by the nearness of the meanings and word by word, and where that leaves it
    open, by a model if there is one to `ask`."""
    vectors = await embed([title for pair in chosen for title in (pair.one, pair.other)])
    nearness = [sum(map(mul, *two)) for two in zip(vectors[::2], vectors[1::2], strict=True)]
    rows = [
        Judged(pair, compare(pair.one, pair.other, near).verdict) for pair, near in zip(chosen, nearness, strict=True)
    ]
    open_ones = [_asked(row.pair) for row in rows if row.verdict == "possible"] if ask is not None else []
    said: dict[same_work.Pair, bool] = {}
    for start in range(0, len(open_ones), same_work.MOST_PAIRS):
        if ask is not None:
            said |= await ask(open_ones[start : start + same_work.MOST_PAIRS])
    return [_told(row, said) for row in rows]


def _asked(pair: Pair) -> same_work.Pair:
    return same_work.Pair(pair.one, pair.other)


def _told(row: Judged, said: Mapping[same_work.Pair, bool]) -> Judged:
    same = said.get(_asked(row.pair)) if row.verdict == "possible" else None
    return row if same is None else replace(row, verdict="same" if same else "different")


def precision(rows: Sequence[Judged], *verdicts: Verdict) -> float | None:
    """How many of those with these verdicts are the same."""
    told = [row.pair.same for row in rows if row.verdict in verdicts]
    return ratio(sum(told), len(told))


def recall(rows: Sequence[Judged], *verdicts: Verdict) -> float | None:
    """How many of those that are the same have these verdicts."""
    same = [row.verdict in verdicts for row in rows if row.pair.same]
    return ratio(sum(same), len(same))


def rendered(rows: Sequence[Judged]) -> str:
    """Markdown: the figures of the pairs that were tuned on, of the others and of all, and the verdicts by kind."""
    lines = [
        "| pairs | number | duplicates: precision | recall | with possible ones: precision | recall |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, part in (
        ("tuned on", [row for row in rows if not row.pair.kept_back]),
        ("kept back", [row for row in rows if row.pair.kept_back]),
        ("all", rows),
    ):
        verdicts: tuple[tuple[Verdict, ...], ...] = (("same",), ("same", "possible"))
        figures = [_number(of(part, *told)) for told in verdicts for of in (precision, recall)]
        lines.append(f"| {name} | {len(part)} | {' | '.join(figures)} |")
    lines += ["", "| kind | same work | duplicate | possible | different |", "| --- | --- | --- | --- | --- |"]
    for kind in dict.fromkeys(row.pair.kind for row in rows):
        part = [row for row in rows if row.pair.kind == kind]
        counts = [sum(row.verdict == verdict for row in part) for verdict in ("same", "possible", "different")]
        lines.append(f"| {kind} | {'yes' if part[0].pair.same else 'no'} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
