"""What a failed model call means: try again, give the batch up, pause the run, or end it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from errors import MODEL_FAILURES, FailureKind

Verdict = Literal["try_again", "batch_fails", "provider_down", "hopeless"]

ATTEMPTS_BEFORE_HOPELESS = 3
FAILURES_BEFORE_DOWN = 5
SILENCE_BEFORE_DOWN = timedelta(seconds=60)
ATTEMPTS_OF_A_BATCH = 5
"""After so many the batch is given up, if the provider answers others in between."""

PROVIDER_WIDE: tuple[FailureKind, ...] = tuple(kind for kind, rule in MODEL_FAILURES.items() if rule.provider_wide)


@dataclass(frozen=True)
class RunHealth:
    """What the run's calls say of its provider. `failures` and `first_failure_at` are of provider-wide kinds since its
    last success, `batch_failed_at` are this batch's own failures; all since the run began or resumed."""

    last_answer_at: datetime | None
    failures: int
    first_failure_at: datetime | None
    batch_failed_at: Sequence[datetime]


def judge(kind: FailureKind, health: RunHealth, at: datetime, *, silence: timedelta = SILENCE_BEFORE_DOWN) -> Verdict:
    """The verdict on a failure of this kind, which `health` already counts.

    A provider that never answered and can't by waiting ends the run after three attempts; one that worked before
    pauses it. One that gave no success for the time of `silence` over five failures pauses it too. A batch whose calls
    fail five times while others get answers is the trouble itself.
    """
    rule = MODEL_FAILURES[kind]
    if not rule.retried:
        return "batch_fails"
    if rule.ends_fresh_run and health.failures >= ATTEMPTS_BEFORE_HOPELESS and health.last_answer_at is None:
        return "hopeless"
    if rule.ends_fresh_run and kind != "connection" and health.failures >= ATTEMPTS_BEFORE_HOPELESS:
        return "provider_down"
    silent = health.first_failure_at is not None and at - health.first_failure_at >= silence
    if health.failures >= FAILURES_BEFORE_DOWN and silent:
        return "provider_down"
    if _batch_is_the_trouble(health):
        return "batch_fails"
    return "try_again"


def _batch_is_the_trouble(health: RunHealth) -> bool:
    failed = health.batch_failed_at
    return (
        len(failed) >= ATTEMPTS_OF_A_BATCH and health.last_answer_at is not None and health.last_answer_at > failed[0]
    )
