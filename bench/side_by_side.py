"""Contenders in turn on one ground, so that what the machine does meanwhile hits all of them alike."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from bench.contender import Contender
from bench.gleaner import Gleaner
from bench.peer import installed_peers

Result = TypeVar("Result")
Line = Mapping[str, str]
"""What is shown of a contender, by the heading of the column."""

SIDE_BY_SIDE = "side_by_side"
"""Under this name a row's figures hold the line of each contender, which makes a table of its own."""


def contenders(*, peers: bool) -> list[Contender]:
    """Gleaner, and its peers where they are wanted and installed (`make bench` installs them)."""
    return [Gleaner(), *(installed_peers() if peers else [])]


async def in_turn(
    among: Sequence[Contender], repeats: int, play: Callable[[Contender], Awaitable[Result]]
) -> Mapping[str, list[Result]]:
    """What each gave, round by round."""
    results: dict[str, list[Result]] = {contender.name: [] for contender in among}
    for _ in range(repeats):
        for contender in among:
            results[contender.name].append(await play(contender))
    return results


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and the least and the greatest where there are more than one."""
    middle, least, greatest = (f"{one:.{digits}f}" for one in (statistics.median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({least}–{greatest})"
