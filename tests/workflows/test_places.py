"""The places of a worker's calls are kept while the calls live, and no longer."""

from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from activities import places
from activities.places import Places
from db import limiter
from db.engine import Database
from models.base import new_id
from tests.support.builders import add_provider, add_run
from tests.support.waiting import until


async def _claim(database: Database, run: UUID, provider: UUID, batch_no: int) -> tuple[UUID, bool]:
    holder = new_id()
    async with database.connection() as connection:
        claimed = await limiter.claim_unlimited(connection, run, batch_no, provider_id=provider, holder=holder)
    return holder, claimed


async def _ends(database: Database) -> dict[UUID, datetime]:
    async with database.transaction() as session:
        rows = await session.execute(text("SELECT holder, expires_at FROM provider_leases"))
        return {row.holder: row.expires_at for row in rows}


async def test_places_are_kept_while_their_calls_live_and_expire_after(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(limiter, "LEASE_SECONDS", 60.0)
    run, provider = (await add_run(database)).id, await add_provider(database)
    first, claimed = await _claim(database, run, provider, 1)
    second, also = await _claim(database, run, provider, 2)
    assert claimed
    assert also

    kept = Places(database)
    async with kept.kept(first), kept.kept(second):
        begun = await _ends(database)
        await until(lambda: _ends(database), lambda ends: all(ends[one] > begun[one] for one in (first, second)))
        _, taken = await _claim(database, run, provider, 1)
        assert not taken
    async with database.transaction() as session:
        # A renewal would take it back to sixty.
        await session.execute(text("UPDATE provider_leases SET expires_at = clock_timestamp() + interval '0.5 s'"))
    assert await until(lambda: _claim(database, run, provider, 1), lambda found: found[1])
