"""Telling a run's workflow that decisions were made, so that the Web UI shows where the review stands."""

import time
from uuid import UUID

from api.temporal_gateway import TemporalGateway
from db.reviewing import Decision
from errors import Unavailable
from logs import logger

SECONDS_BETWEEN = 30.0
_REMEMBERED = 1000

_log = logger("gleaner.api")


class ReviewSignals:
    """Signals `review_changed` at once when a run becomes reviewed or ceases to be, else at most every 30 s a run and
    process.

    The row is the truth; a signal that can't be sent is only a search attribute that is late.
    """

    def __init__(self, temporal: TemporalGateway) -> None:
        self._temporal = temporal
        self._sent: dict[UUID, float] = {}

    async def decided(self, decision: Decision) -> None:
        """A decision on one of the run's proposals was committed."""
        run, at = decision.run, time.monotonic()
        if run.status not in ("completed", "reviewed"):
            return
        if not decision.turned and at - self._sent.get(run.id, -SECONDS_BETWEEN) < SECONDS_BETWEEN:
            return
        if len(self._sent) >= _REMEMBERED:
            self._sent.clear()
        self._sent[run.id] = at
        try:
            await self._temporal.signal(run, "review_changed")
        except Unavailable:
            _log.warning("The workflow could not be told of the review", run_id=str(run.id))
