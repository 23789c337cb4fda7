"""Reports as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.figures import Figure, Report


def rendered(report: Report) -> str:
    """A report: its figures with their 95 % intervals, and what was found by category."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    cost = _dollars(report.cost_usd)
    found = sum(row[0] for row in report.by_category.values())
    each, each_cost = (f"{report.tokens / found:.0f}", _dollars(report.cost_per_found_usd)) if found else ("–", "–")
    yield f"## {report.data_set}, {report.model}"
    yield ""
    yield f"{report.talks} conversations, {report.tokens} tokens, {each} a found task"
    yield f"cost {cost}, {each_cost} a found task"
    yield f"{report.batches} batches, {report.batches_failed} failed"
    of_cost = "" if report.cost_estimate is None else f" and {report.cost_estimate:.0%} of the cost"
    yield f"The preview said {report.estimate:.0%} of the input tokens that were used{of_cost}."
    yield ""
    yield "| figure | value | 95 % interval |"
    yield "| --- | --- | --- |"
    for name, figure in report.figures.items():
        yield f"| {name} | {_number(figure.value)} | {_interval(figure)} |"
    yield ""
    yield "| category | found | tasks | proposals |"
    yield "| --- | --- | --- | --- |"
    for name, row in sorted(report.by_category.items()):
        yield f"| {name} | {row[0]} | {row[1]} | {row[2]} |"


def compared(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    """How the figures of the same data sets changed, and which conversations got better or worse."""
    return "\n".join(line for now in after for then in before if _same(then, now) for line in _changes(then, now))


def _same(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return bool(then["data_set"] == now["data_set"])


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {now['data_set']}: {then['model']} → {now['model']}\n"
    yield "| figure | before | after |"
    yield "| --- | --- | --- |"
    for name, figure in now["figures"].items():
        yield f"| {name} | {_number(then['figures'].get(name, {}).get('value'))} | {_number(figure['value'])} |"
    talks = [(name, then["per_talk"].get(name), counts) for name, counts in now["per_talk"].items()]
    for word, sign in (("better", 1), ("worse", -1)):
        names = [name for name, old, new in talks if old is not None and sign * (_worth(new) - _worth(old)) > 0]
        yield f"\n{word}: {', '.join(names) or 'none'}"


def _worth(counts: Mapping[str, int]) -> int:
    """Tasks found, less what a reviewer reads in vain."""
    return counts["found"] - (counts["proposals"] - counts["found"])


def _dollars(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.4f} USD"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(figure: Figure) -> str:
    return "–" if figure.low is None else f"{_number(figure.low)} to {_number(figure.high)}"
