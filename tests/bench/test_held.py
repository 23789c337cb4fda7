"""What holds a change against the speed that was: its arithmetic. `.ci/run` measures."""

import json
from collections.abc import Awaitable, Callable, Iterator

from bench.held import HELD, TRIES, Ratios, best, lost, usual

ROW = "row 10: CPU over COPY's"
HELD_NOW = {ROW: 1.5}


def test_a_loss_of_over_thirty_per_cent_is_named_with_both_figures() -> None:
    assert lost(HELD_NOW, {ROW: 1.94}) == []
    assert lost(HELD_NOW, {ROW: 1.96}) == [f"{ROW}: 1.96, held is 1.50"]


def test_what_nothing_is_held_of_is_a_loss_that_says_what_to_do() -> None:
    [line] = lost({}, HELD_NOW)
    assert "--keep" in line


async def test_a_slow_moment_is_measured_again_and_a_slow_change_not_for_ever() -> None:
    assert await best(HELD_NOW, _giving(9.0, 1.4, 1.0)) == {ROW: 1.4}
    slow = [7.0, 6.0, 5.0, 4.0, 3.0, 1.0]
    assert await best(HELD_NOW, _giving(*slow)) == {ROW: min(slow[:TRIES])}


async def test_what_is_kept_is_neither_a_lucky_nor_a_slow_moment() -> None:
    assert await usual(_giving(9.0, 1.4, 1.6)) == {ROW: 1.6}


def test_something_is_held() -> None:
    assert all(ratio > 0 for ratio in json.loads(HELD.read_text()).values())


def _giving(*ratios: float) -> Callable[[], Awaitable[Ratios]]:
    waiting: Iterator[float] = iter(ratios)

    async def measure() -> Ratios:
        return {ROW: next(waiting)}

    return measure
