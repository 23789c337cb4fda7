"""What a run's proposals are worth, measured by the tasks of the conversations."""

import random
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from evaluation.talks import Talk
from sample.scoring import ScoredProposal, meets, score
from sample.workspace import Gold, MessageRef

RESAMPLES = 2000


@dataclass(frozen=True)
class Made:
    """A proposal; whether it names a date, and whether its quotes stand in the messages that it cites."""

    proposal: ScoredProposal
    due: bool = False
    quoted: bool = True


@dataclass(frozen=True)
class Counts:
    """What happened in one conversation, or in several."""

    tasks: int = 0
    found: int = 0
    of_somebody: int = 0
    owned: int = 0
    dated: int = 0
    due: int = 0
    proposals: int = 0
    repeated: int = 0
    valid: int = 0
    messages: int = 0
    kept: int = 0
    tasks_kept: int = 0

    @staticmethod
    def of_all(counts: Iterable["Counts"]) -> "Counts":
        return Counts(*map(sum, zip(*map(astuple, counts), strict=True)))


@dataclass(frozen=True)
class Figure:
    """A ratio with the bounds of its 95 % interval; None with nothing under it."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Report:
    """The figures of one run over one data set. Costs are US dollars, None where the price is unknown."""

    data_set: str
    model: str
    talks: int
    batches: int
    batches_failed: int
    tokens: int
    estimate: float
    """Input tokens as previewed, over those that were then used."""
    cost_usd: float | None
    cost_estimate: float | None
    """The cost as previewed, over what it then was; None where that was nothing or is unknown."""
    cost_per_found_usd: float | None
    figures: dict[str, Figure]
    by_category: dict[str, tuple[int, int, int]]
    per_talk: dict[str, dict[str, int]] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


RATIOS: dict[str, Callable[[Counts], tuple[int, int]]] = {
    "task recall": lambda counts: (counts.found, counts.tasks),
    "precision": lambda counts: (counts.found, counts.proposals),
    "F1": lambda counts: (2 * counts.found, counts.tasks + counts.proposals),
    "proposals per task": lambda counts: (counts.proposals, counts.tasks),
    "owner accuracy": lambda counts: (counts.owned, counts.of_somebody),
    "due date found": lambda counts: (counts.dated, counts.due),
    "evidence validity": lambda counts: (counts.valid, counts.proposals),
    "duplicate rate": lambda counts: (counts.repeated, counts.proposals),
    "prefilter recall": lambda counts: (counts.tasks_kept, counts.tasks),
    "prefilter dropped": lambda counts: (counts.messages - counts.kept, counts.messages),
}


def count(talk: Talk, made: Sequence[Made], kept: Set[MessageRef]) -> Counts:
    """What the proposals of one conversation are worth. Each task is met once; what meets one that was met is a
    repeat."""
    refs = talk.refs()
    scored = score([one.proposal for one in made], Gold(talk.tasks, ()))
    met = {one.proposal for one in scored.per_task}
    found = [(one, made[one.proposal]) for one in scored.per_task if one.proposal is not None]
    return Counts(
        tasks=scored.tasks,
        found=scored.found,
        of_somebody=scored.found if talk.owners_known else 0,
        owned=scored.right_owner,
        dated=sum(one.task.id in talk.dated and proposal.due for one, proposal in found),
        due=sum(one.task.id in talk.dated for one, _ in found),
        proposals=len(made),
        repeated=sum(
            number not in met and any(meets(one.proposal, task) for task in talk.tasks)
            for number, one in enumerate(made)
        ),
        valid=sum(one.quoted and bool(one.proposal.evidence) and one.proposal.evidence <= refs for one in made),
        messages=len(refs),
        kept=len(refs & kept),
        tasks_kept=sum(not task.refs().isdisjoint(kept) for task in talk.tasks),
    )


def report(
    data_set: str,
    model: str,
    counted: Sequence[tuple[Talk, Counts]],
    *,
    batches: int,
    batches_failed: int,
    tokens: int,
    estimate: float,
    cost_usd: float | None,
    previewed_usd: float | None = None,
) -> Report:
    """The figures of conversations, with intervals from drawing conversations with replacement."""
    whole = Counts.of_all(counts for _, counts in counted)
    # Drawn with a fixed seed: the same run gives the same report.
    chance = random.Random(7)  # noqa: S311 - a sample, no secret
    rows = [astuple(counts) for _, counts in counted]
    draws = [
        Counts(*map(sum, zip(*chance.choices(rows, k=len(rows)), strict=True))) for _ in range(RESAMPLES if rows else 0)
    ]
    by_category = {
        category: Counts.of_all(counts for talk, counts in counted if talk.category == category)
        for category in dict.fromkeys(talk.category for talk, _ in counted)
    }
    return Report(
        data_set=data_set,
        model=model,
        talks=len(counted),
        batches=batches,
        batches_failed=batches_failed,
        tokens=tokens,
        estimate=round(estimate, 3),
        cost_usd=cost_usd,
        cost_estimate=round(previewed_usd / cost_usd, 3) if cost_usd and previewed_usd is not None else None,
        cost_per_found_usd=None if cost_usd is None or not whole.found else cost_usd / whole.found,
        figures={name: _figure(ratio, whole, draws) for name, ratio in RATIOS.items()},
        by_category={name: (one.found, one.tasks, one.proposals) for name, one in by_category.items()},
        per_talk={talk.id: asdict(counts) for talk, counts in counted},
    )


def _figure(ratio: Callable[[Counts], tuple[int, int]], whole: Counts, draws: Sequence[Counts]) -> Figure:
    drawn = sorted(value for value in (_value(ratio(one)) for one in draws) if value is not None)
    if not drawn:
        return Figure(_value(ratio(whole)), None, None)
    return Figure(_value(ratio(whole)), drawn[len(drawn) // 40], drawn[-1 - len(drawn) // 40])


def _value(parts: tuple[int, int]) -> float | None:
    return round(parts[0] / parts[1], 4) if parts[1] else None
