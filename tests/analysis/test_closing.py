"""The figures of a closed run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from analysis.closing import ReviewedProposal, RunFacts, accuracy_metrics
from models.values import ProposalStatus, RejectReason, SimilarityType, words

NINE = datetime(2026, 3, 10, 9, tzinfo=UTC)
RUN = RunFacts(
    started_at=NINE,
    completed_at=NINE + timedelta(seconds=90.5),
    closed_at=NINE + timedelta(hours=3),
    cost=Decimal("0.03"),
    tokens=1000,
)
ONE = ReviewedProposal("approved", 0.8, "none", None, False, NINE, NINE + timedelta(minutes=10))

# Named in the contract, all of them.
NAMES = [
    "proposals_total",
    "proposals_approved",
    "proposals_rejected",
    "proposals_merged",
    "approval_rate",
    "rejection_rate",
    "merge_rate",
    "edited_count",
    "avg_confidence",
    "avg_confidence_approved",
    "avg_confidence_rejected",
    "high_confidence_approved",
    "low_confidence_rejected",
    "confidence_accuracy",
    "calibration",
    "duplicates_flagged",
    "duplicates_confirmed",
    "reject_reasons",
    "processing_seconds",
    "review_seconds",
    "avg_seconds_per_proposal",
    "cost_per_approved_task",
    "tokens_per_proposal",
]


def rejected(confidence: float, reason: RejectReason = "not_a_task") -> ReviewedProposal:
    return replace(ONE, status="rejected", confidence=confidence, reject_reason=reason)


def approved(confidence: float) -> ReviewedProposal:
    return replace(ONE, confidence=confidence)


def test_a_run_without_proposals_has_all_figures_and_no_ratio() -> None:
    figures = accuracy_metrics(RUN, [])
    assert list(figures) == NAMES
    empty = {name: value for name, value in figures.items() if value not in (0, {})}
    calibration = empty.pop("calibration")
    assert {name for name, value in empty.items() if value is not None} == {"processing_seconds"}
    assert isinstance(calibration, list)
    assert {(row["proposals"], row["approved"]) for row in calibration} == {(0, 0)}


def test_counts_and_rates() -> None:
    merged = replace(ONE, status="merged", edited=True)
    figures = accuracy_metrics(RUN, [approved(0.9), approved(0.5), rejected(0.4), merged])
    assert (figures["proposals_total"], figures["proposals_approved"]) == (4, 2)
    assert (figures["proposals_rejected"], figures["proposals_merged"]) == (1, 1)
    assert (figures["approval_rate"], figures["rejection_rate"], figures["merge_rate"]) == (0.5, 0.25, 0.25)
    assert figures["edited_count"] == 1
    assert (figures["avg_confidence"], figures["avg_confidence_approved"]) == (0.65, 0.7)
    assert figures["avg_confidence_rejected"] == 0.4


def test_confidence_is_right_where_the_sure_were_approved_and_the_unsure_rejected() -> None:
    figures = accuracy_metrics(RUN, [approved(0.9), approved(0.89), rejected(0.69), rejected(0.7)])
    assert figures["high_confidence_approved"] == 1
    assert figures["low_confidence_rejected"] == 1
    assert figures["confidence_accuracy"] == 0.5


def test_each_proposal_is_in_the_band_of_its_confidence() -> None:
    figures = accuracy_metrics(RUN, [approved(c) for c in (0.0, 0.5, 0.69, 0.7, 0.9, 1.0)] + [rejected(0.85)])
    assert figures["calibration"] == [
        {"band": "0.0-0.5", "proposals": 1, "approved": 1},
        {"band": "0.5-0.7", "proposals": 2, "approved": 2},
        {"band": "0.7-0.8", "proposals": 1, "approved": 1},
        {"band": "0.8-0.9", "proposals": 1, "approved": 0},
        {"band": "0.9-1.0", "proposals": 2, "approved": 2},
    ]


def test_a_flagged_duplicate_is_confirmed_by_a_merge_or_by_that_reason() -> None:
    flagged = replace(ONE, similarity_type="semantic")
    proposals = [
        flagged,
        replace(flagged, status="merged"),
        replace(flagged, status="rejected", reject_reason="duplicate"),
        replace(flagged, status="rejected", reject_reason="other"),
        rejected(0.5, "duplicate"),
    ]
    figures = accuracy_metrics(RUN, proposals)
    assert (figures["duplicates_flagged"], figures["duplicates_confirmed"]) == (4, 2)
    assert figures["reject_reasons"] == {"duplicate": 2, "other": 1}


def test_times_are_of_the_work_and_of_the_review() -> None:
    assert RUN.completed_at is not None
    last = replace(ONE, reviewed_at=RUN.completed_at + timedelta(seconds=60))
    figures = accuracy_metrics(RUN, [replace(last, reviewed_at=RUN.completed_at + timedelta(seconds=30)), last])
    assert figures["processing_seconds"] == 90.5
    assert figures["review_seconds"] == 60.0
    assert figures["avg_seconds_per_proposal"] == 30.0


def test_a_review_that_was_over_before_the_run_took_no_time_after_it() -> None:
    assert accuracy_metrics(RUN, [replace(ONE, reviewed_at=NINE)])["review_seconds"] == 0.0


def test_a_run_that_never_began_has_no_times() -> None:
    figures = accuracy_metrics(replace(RUN, started_at=None, completed_at=None), [ONE])
    assert figures["processing_seconds"] is None
    assert figures["review_seconds"] is None
    assert figures["avg_seconds_per_proposal"] is None


def test_money_and_tokens_are_shared_out() -> None:
    figures = accuracy_metrics(RUN, [approved(0.8), approved(0.8), approved(0.8), rejected(0.8)])
    assert figures["cost_per_approved_task"] == "0.01"
    assert figures["tokens_per_proposal"] == 250.0


def test_an_unknown_cost_stays_unknown_and_no_cost_is_zero() -> None:
    assert accuracy_metrics(replace(RUN, cost=None), [ONE])["cost_per_approved_task"] is None
    assert accuracy_metrics(replace(RUN, cost=Decimal(0)), [ONE])["cost_per_approved_task"] == "0"


@st.composite
def reviewed(draw: st.DrawFn) -> ReviewedProposal:
    status: ProposalStatus = draw(st.sampled_from(("approved", "rejected", "merged")))
    similarity: SimilarityType = draw(st.sampled_from(words(SimilarityType)))
    reason = draw(st.sampled_from(words(RejectReason))) if status == "rejected" else None
    return ReviewedProposal(status, draw(st.floats(0, 1)), similarity, reason, draw(st.booleans()), NINE, NINE)


@given(st.lists(reviewed(), max_size=30))
def test_every_proposal_is_counted_once_everywhere(proposals: list[ReviewedProposal]) -> None:
    figures = accuracy_metrics(RUN, proposals)
    decided = [figures[f"proposals_{status}"] for status in ("approved", "rejected", "merged")]
    calibration = figures["calibration"]
    assert isinstance(calibration, list)
    assert sum(count for count in decided if isinstance(count, int)) == len(proposals)
    assert sum(row["proposals"] for row in calibration) == len(proposals)
    assert sum(row["approved"] for row in calibration) == figures["proposals_approved"]
