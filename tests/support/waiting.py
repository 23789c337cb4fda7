"""Waiting for something to become true: the only place where the tests pass time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")

PATIENCE_SECONDS = 180.0
_LOOK_EVERY_SECONDS = 0.02


async def until(
    look: Callable[[], Awaitable[Value]],
    wanted: Callable[[Value], bool] = bool,
    *,
    seconds: float = PATIENCE_SECONDS,
) -> Value:
    """What `look` gives as soon as it is `wanted`; AssertionError with the last look after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        seen = await look()
        if wanted(seen):
            return seen
        assert time.monotonic() < end, f"still not so after {seconds} s: {seen!r}"
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
