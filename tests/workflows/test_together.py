"""Work that is cheaper for several than for one: who comes while it is under way is part of the next round."""

import asyncio
from collections.abc import Sequence

import pytest

from activities.together import AT_ONCE, Together


class Desk:
    """Does its work when it is told to, and keeps who came together."""

    def __init__(self) -> None:
        self.rounds: list[tuple[str, list[int]]] = []
        self.may_go = asyncio.Event()
        self.together = Together(self._work)

    async def _work(self, key: str, items: Sequence[int]) -> list[int]:
        self.rounds.append((key, list(items)))
        await self.may_go.wait()
        if -1 in items:
            raise ValueError("minus one")
        if -2 in items:
            raise ConnectionRefusedError
        return [item * item for item in items]


async def test_each_gets_its_own_result_and_those_that_waited_share_a_round() -> None:
    desk = Desk()
    asked = [asyncio.create_task(desk.together.do("run", number)) for number in range(4)]
    other = asyncio.create_task(desk.together.do("other run", 9))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(desk.together.do("run", number)) for number in range(4, AT_ONCE + 6)]
    await asyncio.sleep(0)
    desk.may_go.set()
    assert await asyncio.gather(*asked, *later) == [number * number for number in range(AT_ONCE + 6)]
    assert await other == 81
    of_run = [items for key, items in desk.rounds if key == "run"]
    assert of_run == [[0, 1, 2, 3], [*range(4, AT_ONCE + 4)], [AT_ONCE + 4, AT_ONCE + 5]]


async def test_what_is_wrong_with_one_is_not_the_others_fault() -> None:
    desk = Desk()
    desk.may_go.set()
    results = await asyncio.gather(*(desk.together.do("run", number) for number in (2, -1, 3)), return_exceptions=True)
    assert (results[0], results[2]) == (4, 9)
    assert isinstance(results[1], ValueError)
    assert await desk.together.do("run", 5) == 25


async def test_an_outage_is_everybodys_and_is_not_tried_for_each() -> None:
    desk = Desk()
    desk.may_go.set()
    results = await asyncio.gather(*(desk.together.do("run", number) for number in (2, -2)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionRefusedError, ConnectionRefusedError]
    assert len(desk.rounds) == 1


async def test_who_is_cancelled_leaves_the_others_their_results() -> None:
    desk = Desk()
    asked = [asyncio.create_task(desk.together.do("run", number)) for number in (1, 2)]
    await asyncio.sleep(0)
    asked[0].cancel()
    desk.may_go.set()
    with pytest.raises(asyncio.CancelledError):
        await asked[0]
    assert await asked[1] == 4
    assert [items for _, items in desk.rounds] == [[1, 2]]
