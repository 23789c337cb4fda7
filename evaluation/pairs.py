"""How well duplicates are told from tasks that only look like them, on pairs of titles written for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from operator import mul

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


async def judged(chosen: Sequence[Pair]) -> list[Judged]:
    """Each pair as the pipeline judges it: by the nearness of the meanings and word by word."""
    vectors = await embed([title for pair in chosen for title in (pair.one, pair.other)])
    nearness = [sum(map(mul, *two)) for two in zip(vectors[::2], vectors[1::2], strict=True)]
    return [
        Judged(pair, compare(pair.one, pair.other, near).verdict) for pair, near in zip(chosen, nearness, strict=True)
    ]


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
