"""Answers that are saved together."""

import asyncio

from activities.findings import Answered
from activities.resources import Resources
from activities.saving import Saver
from db.engine import Database
from db.vault import Vault
from settings import Settings
from tests.support.builders import add_batches, add_run, events_of, run_of
from workflows import contract


async def test_a_batch_that_two_attempts_bring_counts_once(database: Database, settings: Settings) -> None:
    run = await add_run(database, status="running")
    await add_batches(database, run.id, "running", "running")
    saver = Saver(Resources(database, Vault.from_settings(settings), settings))

    settled = await asyncio.gather(
        *(
            saver.save(contract.BatchRef(run_id=run.id, batch_no=number), Answered(number, [], []))
            for number in (1, 1, 2)
        )
    )

    assert [one.counted for one in settled] == [True, False, True]
    assert (await run_of(database, run.id)).batches_completed == 2
    assert [event.event for event in await events_of(database, run.id)].count("progress_updated") == 2
