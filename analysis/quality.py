"""Figures over many runs that tell how far models deserve trust. Ratios are 0–1 and None with nothing under them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal

from analysis.closing import BANDS, band_name, dollars_each, ratio


@dataclass(frozen=True)
class Counts:
    """Proposals of a group by what became of them; `edited` were changed before the decision, and `auto_approved` are
    those of the approved ones that a project's rule approved."""

    proposals: int = 0
    pending: int = 0
    approved: int = 0
    rejected: int = 0
    merged: int = 0
    edited: int = 0
    auto_approved: int = 0
    confidence_sum: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def rates(counts: Counts) -> dict[str, object]:
    """The counts, and what they say. The approval rate is of those that people decided: a rule that looks at confidence
    proves nothing about it."""
    approved = counts.approved - counts.auto_approved
    decided = approved + counts.rejected + counts.merged
    return {
        "proposals": counts.proposals,
        "pending": counts.pending,
        "approved": counts.approved,
        "rejected": counts.rejected,
        "merged": counts.merged,
        "edited": counts.edited,
        "auto_approved": counts.auto_approved,
        "approval_rate": ratio(approved, decided),
        "edit_rate": ratio(counts.edited, counts.proposals),
        "avg_confidence": ratio(counts.confidence_sum, counts.proposals),
    }


def calibration(by_band: dict[int, Counts]) -> list[dict[str, object]]:
    """A row for each band of confidence; `gap` is by how much the model is surer than it is right."""
    rows = []
    for number, (low, high) in enumerate(BANDS):
        figures = rates(by_band.get(number, Counts()))
        sure, right = figures["avg_confidence"], figures["approval_rate"]
        gap = round(sure - right, 6) if isinstance(sure, float) and isinstance(right, float) else None
        rows.append({"band": band_name(low, high), **figures, "gap": gap})
    return rows


def cost_per_task(costs: Iterable[Decimal | None], approved: int) -> tuple[str | None, str | None]:
    """What was spent and what an approved task cost, in US dollars; None where a price is unknown."""
    listed = list(costs)
    known = [cost for cost in listed if cost is not None]
    if len(known) < len(listed):
        return None, None
    spent = sum(known, Decimal(0))
    return dollars_each(spent, 1), dollars_each(spent, approved)
