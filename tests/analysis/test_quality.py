"""Figures of trust."""

from decimal import Decimal

from analysis.quality import Counts, calibration, cost_per_task, rates


def test_an_approval_rate_is_of_what_was_decided() -> None:
    figures = rates(Counts(proposals=10, pending=5, approved=3, rejected=1, merged=1, edited=2, confidence_sum=8.0))
    assert (figures["approval_rate"], figures["edit_rate"], figures["avg_confidence"]) == (0.6, 0.2, 0.8)


def test_what_a_rule_approved_proves_nothing() -> None:
    figures = rates(Counts(proposals=8, approved=7, rejected=1, auto_approved=4))
    assert (figures["approved"], figures["auto_approved"], figures["approval_rate"]) == (7, 4, 0.75)


def test_ratios_with_nothing_under_them_are_null() -> None:
    figures = rates(Counts())
    assert (figures["approval_rate"], figures["edit_rate"], figures["avg_confidence"]) == (None, None, None)


def test_every_band_has_a_row_that_says_by_how_much_the_model_is_too_sure() -> None:
    rows = calibration({4: Counts(proposals=4, approved=2, rejected=2, confidence_sum=3.8)})
    assert [row["band"] for row in rows] == ["0.0-0.5", "0.5-0.7", "0.7-0.8", "0.8-0.9", "0.9-1.0"]
    assert (rows[4]["avg_confidence"], rows[4]["approval_rate"], rows[4]["gap"]) == (0.95, 0.5, 0.45)
    assert (rows[0]["proposals"], rows[0]["gap"]) == (0, None)


def test_what_a_task_costs_is_known_only_where_every_price_is() -> None:
    assert cost_per_task([Decimal("0.3"), Decimal("0.1")], 4) == ("0.4", "0.1")
    assert cost_per_task([Decimal("0.3"), None], 4) == (None, None)
    assert cost_per_task([Decimal("0.3")], 0) == ("0.3", None)
    assert cost_per_task([], 0) == ("0", None)
