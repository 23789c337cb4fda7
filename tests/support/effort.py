"""How much work something is, on whatever machine."""

import time
from collections.abc import Callable

from bench.yardstick import yardstick


def effort(work: Callable[[], object]) -> float:
    """The processor time that `work` takes in this thread, over that of a fixed piece of Python."""
    begun = time.thread_time()
    work()
    return (time.thread_time() - begun) / yardstick()
