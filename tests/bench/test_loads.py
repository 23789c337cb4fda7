from datetime import UTC, datetime, timedelta

import pytest

from bench.loads import Load, Trial, Window, median
from bench.side_by_side import spread

LOAD = Load(batches=80, latency=0.5, concurrency=8)


def _trial(seconds: float) -> Trial:
    cpu = {"worker": 0.8, "api": 0.2, "postgres": 0.6}
    return Trial(LOAD, seconds, None, cpu, statements=1600, calls=80, most_at_once=8)


def test_the_model_alone_takes_its_rounds() -> None:
    assert LOAD.ideal_seconds == 5


def test_a_trial_is_told_by_what_it_took_over_that() -> None:
    trial = _trial(5.5)
    assert trial.over_ideal == pytest.approx(1.1)
    assert trial.batches_a_second == pytest.approx(80 / 5.5)


def test_cpu_is_that_of_a_batch_and_parts_that_a_contender_lacks_use_none() -> None:
    trial = _trial(5)
    assert trial.cpu_milliseconds() == pytest.approx(20)
    assert trial.cpu_milliseconds("worker", "api") == pytest.approx(12.5)
    assert trial.cpu_milliseconds("temporal") == 0


def test_the_middle_one_of_several_trials_counts() -> None:
    trials = [_trial(seconds) for seconds in (9, 5, 6)]
    assert median(trials, lambda trial: trial.seconds) == 6


def test_a_spread_names_the_extremes_where_there_are_any() -> None:
    assert spread([1.0, 3.0, 2.0], 1) == "2.0 (1.0–3.0)"
    assert spread([1.0], 0) == "1"


def test_a_window_ends_where_its_last_batch_does() -> None:
    window = Window(datetime(2026, 3, 2, tzinfo=UTC), batches=3)
    assert (window.messages, window.end - window.start) == (30, timedelta(seconds=30))
