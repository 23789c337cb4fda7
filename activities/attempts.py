"""How an activity's errors reach Temporal, and how it says that it lives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from db.engine import is_outage
from errors import GleanerError
from logs import logger

Owner = TypeVar("Owner")
Argument = TypeVar("Argument")
Result = TypeVar("Result")

ATTEMPTS_ON_A_BUG = 5
BEAT_SECONDS = 1.5
"""Not sooner: the server writes each heartbeat down, which takes it 5 ms and the worker 2."""

_log = logger("gleaner.worker")


def step(
    method: Callable[[Owner, Argument], Awaitable[Result]],
) -> Callable[[Owner, Argument], Awaitable[Result]]:
    """Translate a method's errors once, at the border: an outage is retried for as long as it lasts, a refusal at no
    time, anything else a few times. Neither the text of an unexpected error nor its cause enters the history."""

    @wraps(method)
    async def attempted(self: Owner, argument: Argument) -> Result:
        try:
            return await method(self, argument)
        except ApplicationError:
            raise
        except GleanerError as error:
            raise ApplicationError(error.detail, type=error.code, non_retryable=True) from None
        except Exception as error:
            raise _translated(error) from None

    return attempted


def _translated(error: Exception) -> ApplicationError:
    if is_outage(error):
        _log.warning("The database does not answer; the step will be tried again", error=type(error).__name__)
        return ApplicationError(
            "The database does not answer.", type="database_unavailable", category=ApplicationErrorCategory.BENIGN
        )
    attempt = activity.info().attempt
    _log.error("A step failed", attempt=attempt, exc_info=error)
    return ApplicationError(
        f"Unexpected {type(error).__name__}; the worker's log has the details.",
        type="unexpected",
        non_retryable=attempt >= ATTEMPTS_ON_A_BUG,
    )


class Heart:
    """What the heartbeats of an attempt say."""

    def __init__(self) -> None:
        self._place: tuple[int, ...] = ()

    def at(self, place: int) -> None:
        """Say how far the attempt is, which the Temporal Web UI shows. The rows say where a next one goes on."""
        self._place = (place,)
        self.beat()

    def beat(self) -> None:
        activity.heartbeat(*self._place)


@asynccontextmanager
async def beating() -> AsyncIterator[Heart]:
    """Send heartbeats while the block runs: they tell the server that the attempt lives, and bring cancellation. What
    ends before the first is due costs none: the server writes each of them down."""
    said = Heart()

    async def beat() -> None:
        await asyncio.sleep(BEAT_SECONDS)
        while True:
            said.beat()
            await asyncio.sleep(BEAT_SECONDS)

    heart = asyncio.create_task(beat())
    try:
        yield said
    finally:
        heart.cancel()
        with suppress(asyncio.CancelledError):
            await heart
