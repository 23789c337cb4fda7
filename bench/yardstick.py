"""A fixed piece of work in Python, to say of processor time how much it is on any machine."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass

_ROUNDS = 40
_ITEMS = 200


@dataclass
class _Item:
    number: int
    words: list[str]


def yardstick() -> float:
    """Seconds of processor time that this thread takes for it now: about a third of one."""
    begun = time.thread_time()
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        for _ in range(_ROUNDS):
            runner.run(_round())
    return time.thread_time() - begun


async def _round() -> None:
    await asyncio.gather(*(_step(number) for number in range(_ITEMS)))


async def _step(number: int) -> None:
    item = _Item(number, [f"word {part}" for part in range(8)])
    await asyncio.sleep(0)
    read = json.loads(json.dumps(asdict(item)))
    assert " ".join(read["words"]).upper().endswith("7")
