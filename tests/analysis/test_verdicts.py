"""What failed model calls mean for the batch and for its run."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from analysis.verdicts import PROVIDER_WIDE, RunHealth, judge
from errors import MODEL_FAILURES, FailureKind

NINE = datetime(2026, 3, 10, 9, tzinfo=UTC)

HELPLESS = [kind for kind, rule in MODEL_FAILURES.items() if rule.ends_fresh_run]
MENDABLE = [kind for kind in MODEL_FAILURES if MODEL_FAILURES[kind].retried and kind not in HELPLESS]
FINAL = [kind for kind, rule in MODEL_FAILURES.items() if not rule.retried]


def health(
    failures: int = 1, *, seconds: float = 0, answered: float | None = None, batch: Sequence[float] = ()
) -> RunHealth:
    """So many failures, the first `seconds` before NINE; an answer and the batch's own failures as seconds before."""
    return RunHealth(
        last_answer_at=None if answered is None else before(answered),
        failures=failures,
        first_failure_at=before(seconds) if failures else None,
        batch_failed_at=[before(seconds) for seconds in batch],
    )


def before(seconds: float) -> datetime:
    return NINE - timedelta(seconds=seconds)


def test_the_kinds_are_what_the_errors_say() -> None:
    assert set(HELPLESS) == {"quota_exhausted", "connection", "auth", "not_found", "misconfigured"}
    assert set(MENDABLE) == {"rate_limited", "server_error", "timeout"}
    assert set(FINAL) == {"context_too_long", "rejected", "bad_answer"}
    assert set(PROVIDER_WIDE) == {*HELPLESS, "server_error", "timeout"}


@pytest.mark.parametrize("kind", FINAL)
def test_what_lies_with_the_batch_fails_it_at_once(kind: FailureKind) -> None:
    assert judge(kind, health(), NINE) == "batch_fails"
    assert judge(kind, health(20, seconds=600), NINE) == "batch_fails"


@pytest.mark.parametrize("kind", [*HELPLESS, *MENDABLE])
def test_a_first_failure_is_tried_again(kind: FailureKind) -> None:
    assert judge(kind, health(1, batch=[0]), NINE) == "try_again"
    assert judge(kind, health(2, seconds=3600, batch=[3600, 0]), NINE) == "try_again"


@pytest.mark.parametrize("kind", HELPLESS)
def test_a_provider_that_never_answered_and_will_not_by_waiting_ends_the_run(kind: FailureKind) -> None:
    assert judge(kind, health(3), NINE) == "hopeless"


@pytest.mark.parametrize("kind", [kind for kind in HELPLESS if kind != "connection"])
def test_one_that_answered_before_pauses_it_instead(kind: FailureKind) -> None:
    assert judge(kind, health(3, answered=3600), NINE) == "provider_down"


def test_a_lost_connection_is_waited_for_once_the_provider_has_answered() -> None:
    assert judge("connection", health(4, seconds=600, answered=3600), NINE) == "try_again"
    assert judge("connection", health(5, seconds=59, answered=3600), NINE) == "try_again"
    assert judge("connection", health(5, seconds=60, answered=3600), NINE) == "provider_down"


@pytest.mark.parametrize("kind", MENDABLE)
def test_a_minute_of_silence_over_five_failures_pauses_the_run(kind: FailureKind) -> None:
    assert judge(kind, health(5, seconds=60), NINE) == "provider_down"
    assert judge(kind, health(5, seconds=59.9), NINE) == "try_again"
    assert judge(kind, health(4, seconds=600), NINE) == "try_again"


@pytest.mark.parametrize("kind", [*MENDABLE, "connection"])
def test_a_batch_that_fails_while_others_get_answers_is_the_trouble_itself(kind: FailureKind) -> None:
    assert judge(kind, health(1, answered=2, batch=[9, 7, 5, 3, 1]), NINE) == "batch_fails"


@pytest.mark.parametrize("kind", MENDABLE)
def test_a_batch_that_fails_while_nobody_gets_answers_is_tried_again(kind: FailureKind) -> None:
    assert judge(kind, health(1, answered=10, batch=[9, 7, 5, 3, 1]), NINE) == "try_again"
    assert judge(kind, health(1, batch=[9, 7, 5, 3, 1]), NINE) == "try_again"
    assert judge(kind, health(1, answered=2, batch=[9, 7, 5, 1]), NINE) == "try_again"
