"""Work that is cheaper for several than for one: whoever comes while it is under way is part of the next round."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from db.engine import is_outage

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 32


class Together(Generic[Key, Item, Result]):
    """Items of one key are worked on in rounds, one round at a time. Nobody waits for others to come."""

    def __init__(self, work: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._work = work
        self._waiting: defaultdict[Key, list[tuple[Item, asyncio.Future[Result]]]] = defaultdict(list)
        self._rounds: dict[Key, asyncio.Task[None]] = {}

    async def do(self, key: Key, item: Item) -> Result:
        """What comes of the item. Who is cancelled leaves it to its round."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[key].append((item, future))
        if key not in self._rounds:
            self._rounds[key] = asyncio.create_task(self._in_rounds(key))
        return await future

    async def _in_rounds(self, key: Key) -> None:
        try:
            while waiting := self._waiting[key]:
                part = waiting[:AT_ONCE]
                del waiting[:AT_ONCE]
                await self._round(key, part)
        finally:
            del self._rounds[key], self._waiting[key]

    async def _round(self, key: Key, part: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._work(key, [item for item, _ in part])
        except Exception as error:
            if len(part) > 1 and not is_outage(error):
                # Whosever fault it is, it isn't the others'.
                for one in part:
                    await self._round(key, [one])
                return
            for _, future in part:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in zip(part, results, strict=True):
                if not future.done():
                    future.set_result(result)
