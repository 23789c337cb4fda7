"""The figures of a closed run, computed from its rows and from nothing else."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.base import plain_decimal
from models.values import ProposalStatus, SimilarityType

HIGH_CONFIDENCE = 0.9
LOW_CONFIDENCE = 0.7
BANDS = ((0.0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0))
"""Bands of confidence, each with its lower bound and without its upper one, but for the last, which has both."""


@dataclass(frozen=True)
class ReviewedProposal:
    """What the figures need of one proposal."""

    status: ProposalStatus
    confidence: float
    similarity_type: SimilarityType
    reject_reason: str | None
    edited: bool
    created_at: datetime
    reviewed_at: datetime | None


@dataclass(frozen=True)
class RunFacts:
    """What the figures need of the run. `cost` is in US dollars, None where unknown."""

    started_at: datetime | None
    completed_at: datetime | None
    closed_at: datetime
    cost: Decimal | None
    tokens: int


def accuracy_metrics(run: RunFacts, proposals: Sequence[ReviewedProposal]) -> dict[str, object]:
    """The metrics of a close. Ratios are 0–1 and None with nothing under them; seconds are real time."""
    total = len(proposals)
    of = Counter(proposal.status for proposal in proposals)
    approved = [proposal for proposal in proposals if proposal.status == "approved"]
    rejected = [proposal for proposal in proposals if proposal.status == "rejected"]
    flagged = [proposal for proposal in proposals if proposal.similarity_type != "none"]
    sure_and_right = sum(proposal.confidence >= HIGH_CONFIDENCE for proposal in approved)
    unsure_and_wrong = sum(proposal.confidence < LOW_CONFIDENCE for proposal in rejected)
    review_seconds = _review_seconds(run, proposals)
    return {
        "proposals_total": total,
        "proposals_approved": of["approved"],
        "proposals_rejected": of["rejected"],
        "proposals_merged": of["merged"],
        "approval_rate": ratio(of["approved"], total),
        "rejection_rate": ratio(of["rejected"], total),
        "merge_rate": ratio(of["merged"], total),
        "edited_count": sum(proposal.edited for proposal in proposals),
        "avg_confidence": _mean(proposal.confidence for proposal in proposals),
        "avg_confidence_approved": _mean(proposal.confidence for proposal in approved),
        "avg_confidence_rejected": _mean(proposal.confidence for proposal in rejected),
        "high_confidence_approved": sure_and_right,
        "low_confidence_rejected": unsure_and_wrong,
        "confidence_accuracy": ratio(sure_and_right + unsure_and_wrong, total),
        "calibration": _calibration(proposals),
        "duplicates_flagged": len(flagged),
        "duplicates_confirmed": sum(_was_duplicate(proposal) for proposal in flagged),
        "reject_reasons": dict(Counter(proposal.reject_reason for proposal in rejected if proposal.reject_reason)),
        "processing_seconds": _seconds(run.started_at, run.completed_at),
        "review_seconds": review_seconds,
        "avg_seconds_per_proposal": ratio(review_seconds, total),
        "cost_per_approved_task": dollars_each(run.cost, len(approved)),
        "tokens_per_proposal": ratio(run.tokens, total),
    }


def ratio(part: float | None, whole: int) -> float | None:
    """To six places; None with nothing under it."""
    return None if part is None or not whole else round(part / whole, 6)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return round(sum(listed) / len(listed), 6) if listed else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)


def _review_seconds(run: RunFacts, proposals: Sequence[ReviewedProposal]) -> float | None:
    """From the run's completion to the last decision; 0 where the last one came while the run still worked."""
    decisions = [proposal.reviewed_at for proposal in proposals if proposal.reviewed_at]
    seconds = _seconds(run.completed_at, max(decisions)) if decisions else None
    return None if seconds is None else max(0.0, seconds)


def dollars_each(cost: Decimal | None, count: int) -> str | None:
    """US dollars as text; None where the cost is unknown or there is nothing that it is of."""
    return None if cost is None or not count else plain_decimal(round(cost / count, 10))


def _was_duplicate(proposal: ReviewedProposal) -> bool:
    return proposal.status == "merged" or proposal.reject_reason == "duplicate"


def band_name(low: float, high: float) -> str:
    return f"{low:.1f}-{high:.1f}"


def _calibration(proposals: Sequence[ReviewedProposal]) -> list[dict[str, object]]:
    rows = []
    for low, high in BANDS:
        last = high == BANDS[-1][1]
        band = [p for p in proposals if low <= p.confidence < high or (last and p.confidence == high)]
        approved = sum(proposal.status == "approved" for proposal in band)
        rows.append({"band": band_name(low, high), "proposals": len(band), "approved": approved})
    return rows
