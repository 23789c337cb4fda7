"""When the workflow is told of a review."""

from api.review_signals import ReviewSignals
from api.temporal_gateway import TemporalGateway
from db import decisions
from db.engine import Database
from errors import Unavailable
from models.actor import LOCAL
from models.run import AnalysisRun
from settings import Settings
from tests.support.builders import add_proposals, add_run


class Listener(TemporalGateway):
    """A gateway that notes what it is asked to send, and may be out of order."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.heard: list[str] = []
        self.broken = False

    async def signal(self, run: AnalysisRun, name: str, *arguments: object) -> None:
        if self.broken:
            raise Unavailable("temporal_unavailable", "gone")
        self.heard.append(f"{name} {run.status}")


async def test_the_first_decision_and_every_turn_of_the_run_are_told_at_once(
    database: Database, settings: Settings
) -> None:
    temporal = Listener(settings)
    signals = ReviewSignals(temporal)
    run = await add_run(database, status="completed")
    ids = await add_proposals(database, run.id, 4)
    for proposal_id in ids:
        await signals.decided(await decisions.approve(database, proposal_id, actor=LOCAL))
    assert temporal.heard == ["review_changed completed", "review_changed reviewed"]
    await signals.decided(await decisions.reopen(database, ids[0], actor=LOCAL))
    await signals.decided(await decisions.reopen(database, ids[1], actor=LOCAL))
    assert temporal.heard[2:] == ["review_changed completed"]


async def test_a_run_without_a_review_is_not_told_and_an_absent_temporal_is_no_error(
    database: Database, settings: Settings
) -> None:
    temporal = Listener(settings)
    signals = ReviewSignals(temporal)
    running, completed = await add_run(database, status="running"), await add_run(database, status="completed", day=1)
    [one], [other] = await add_proposals(database, running.id), await add_proposals(database, completed.id)
    await signals.decided(await decisions.approve(database, one, actor=LOCAL))
    temporal.broken = True
    await signals.decided(await decisions.approve(database, other, actor=LOCAL))
    assert temporal.heard == []
