"""Each event reaches each listener once and in order, whatever happens in between."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import websockets
from pydantic import SecretStr
from sqlalchemy import text

from api.hub import Delivered
from db.engine import Database
from models.base import new_id, now
from models.run import RunEvent
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.events import Listener, listening, make_run, names, numbers, record, record_one_by_one
from tests.support.proxy import Proxy, proxied
from tests.support.waiting import until


async def test_parallel_writers_to_one_run_are_heard_in_order_without_gaps(api: ServedApi, database: Database) -> None:
    async with listening(api.socket_url) as plain:
        run_id = await make_run(database)
        async with listening(api.socket_url, run_id=run_id, after_seq=0) as bound:
            await asyncio.gather(*(record_one_by_one(database, run_id, 25) for _ in range(8)))
            assert numbers(await bound.until_seq(run_id, 201), run_id) == list(range(1, 202))
        assert numbers(await plain.until_seq(run_id, 201), run_id) == list(range(1, 202))


async def test_many_runs_at_once_are_each_heard_in_order(api: ServedApi, database: Database) -> None:
    async with listening(api.socket_url) as client:
        run_ids = [await make_run(database) for _ in range(10)]
        await asyncio.gather(*(record_one_by_one(database, run_id, 20) for run_id in run_ids))
        heard = await client.take(210)
    for run_id in run_ids:
        assert numbers(heard, run_id) == list(range(1, 22))


async def test_a_replay_goes_live_without_loss_or_repeat_while_events_arrive(
    api: ServedApi, database: Database
) -> None:
    run_id = await make_run(database)
    last = await record(database, run_id, *["progress_updated"] * 450)
    writing = asyncio.create_task(record_one_by_one(database, run_id, 150))

    async def listen(after_seq: int) -> list[int]:
        async with listening(api.socket_url, run_id=run_id, after_seq=after_seq) as client:
            return numbers(await client.until_seq(run_id, last + 150), run_id)

    for after_seq in (0, 1, 200, 400, 449, 451):
        beginnings = [after_seq] * 3
        for heard in await asyncio.gather(*map(listen, beginnings)):
            assert heard == list(range(after_seq + 1, last + 151))
    await writing


async def test_a_client_that_reconnects_with_its_last_number_misses_nothing(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    writing = asyncio.create_task(record_one_by_one(database, run_id, 150))
    seen = [0]
    while seen[-1] < 151:
        async with listening(api.socket_url, run_id=run_id, after_seq=seen[-1]) as client:
            seen += numbers(await client.take(min(7, 151 - seen[-1])), run_id)
    await writing
    assert seen == list(range(152))


async def test_the_loss_of_the_listening_connection_loses_no_event(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    async with listening(api.socket_url) as client:
        writing = asyncio.create_task(record_one_by_one(database, run_id, 200))
        for seq in (20, 60, 100):
            await client.until_seq(run_id, seq)
            await _terminate(database, "gleaner-listener")
        heard = await client.until_seq(run_id, 201)
        await writing
    assert numbers(heard, run_id) == list(range(101, 202))


async def _terminate(database: Database, application: str) -> None:
    """Cut the connections of this name to this database; one must be there."""
    statement = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = :application AND datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def cut() -> int:
        async with database.transaction() as session:
            ended: int = (await session.execute(statement, {"application": application})).scalar_one()
            return ended

    await until(cut)


async def test_a_run_that_was_quiet_for_long_is_heard_from_its_new_events_on(
    settings: Settings, database: Database
) -> None:
    run_id = await make_run(database)
    last = await record(database, run_id, *["progress_updated"] * 100)
    async with database.transaction() as session:
        await session.execute(text("UPDATE run_events SET at = at - interval '1 day'"))
        await session.execute(text("UPDATE analysis_runs SET last_event_at = last_event_at - interval '1 day'"))
    async with serve_api(settings) as api, listening(api.socket_url) as client:
        await record(database, run_id, "run_completed", "run_closed")
        assert numbers(await client.until_seq(run_id, last + 2), run_id) == [last + 1, last + 2]
        async with listening(api.socket_url, run_id=run_id, after_seq=0) as other:
            assert numbers(await other.until_seq(run_id, last + 2), run_id) == list(range(1, last + 3))


def test_the_hub_remembers_only_the_recent_past() -> None:
    begin = now()
    delivered = Delivered(begin, {})
    for minute in range(100):
        delivered.add(RunEvent(run_id=new_id(), seq=7, event="run_started", at=begin + timedelta(minutes=minute)))
    quiet, *_, busy = delivered.heads
    delivered.forget_before(begin + timedelta(minutes=90))
    assert len(delivered.heads) == 10
    assert (delivered.seq(quiet), delivered.seq(busy)) == (0, 7)
    delivered.forget_before(begin)
    assert delivered.horizon == begin + timedelta(minutes=90)


async def test_two_services_tell_the_same(settings: Settings, database: Database) -> None:
    async with serve_api(settings) as one, serve_api(settings) as other:
        run_id = await make_run(database)
        async with (
            listening(one.socket_url, run_id=run_id, after_seq=0) as first,
            listening(other.socket_url, run_id=run_id, after_seq=0) as second,
        ):
            await asyncio.gather(*(record_one_by_one(database, run_id, 25) for _ in range(4)))
            assert await first.until_seq(run_id, 101) == await second.until_seq(run_id, 101)
        async with listening(other.socket_url, run_id=run_id, after_seq=60) as moved:
            assert numbers(await moved.until_seq(run_id, 101), run_id) == list(range(61, 102))


@pytest.fixture
async def proxy(settings: Settings) -> AsyncIterator[Proxy]:
    """A way to the database that a test can close."""
    port = urlsplit(settings.database_url.get_secret_value()).port
    assert port is not None
    async with proxied(port) as opened:
        yield opened


def _through(proxy: Proxy, settings: Settings) -> Settings:
    direct = settings.database_url.get_secret_value()
    there = direct.replace(f":{urlsplit(direct).port}/", f":{proxy.port}/")
    return settings.model_copy(update={"database_url": SecretStr(there)})


async def test_a_database_that_is_away_for_a_while_delays_events_and_loses_none(
    settings: Settings, database: Database, proxy: Proxy
) -> None:
    async with (
        serve_api(_through(proxy, settings)) as api,
        listening(api.socket_url) as steady,
        listening(api.socket_url) as asking,
    ):
        run_id = await make_run(database)
        for client in (steady, asking):
            await client.until_seq(run_id, 1)
        await proxy.down()
        await asking.say("subscribe", run_id=run_id, after_seq=0)
        assert (await asking.next())["data"]["code"] == "database_unavailable"
        await record_one_by_one(database, run_id, 30)
        await proxy.up()
        await record_one_by_one(database, run_id, 30)
        for client in (steady, asking):
            assert numbers(await client.until_seq(run_id, 61), run_id) == list(range(2, 62))


async def test_a_service_that_starts_before_its_database_serves_once_that_is_there(
    settings: Settings, database: Database, proxy: Proxy
) -> None:
    await proxy.down()
    async with serve_api(_through(proxy, settings)) as api:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(api.socket_url, proxy=None)
        assert refused.value.response.status_code == 503
        await proxy.up()
        async with listening(api.socket_url) as client:
            run_id = await make_run(database)
            assert numbers(await client.take(1), run_id) == [1]


async def test_a_reader_that_falls_behind_is_told_and_then_hears_everything_while_others_are_not_held_up(
    api: ServedApi, database: Database
) -> None:
    run_id = await make_run(database)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", urlsplit(api.url).port))
    async with (
        websockets.connect(f"{api.socket_url}?run_id={run_id}", sock=narrow, proxy=None, max_queue=1) as slow_socket,
        listening(api.socket_url, run_id=run_id) as quick,
    ):
        for _ in range(30):
            last = await record(database, run_id, *["progress_updated"] * 30, data={"text": "x" * 16_000})
            heard = await quick.until_seq(run_id, last)
            assert names(heard) == ["progress_updated"] * 30
        caught_up = await Listener(slow_socket).until_seq(run_id, last)
    assert numbers(caught_up, run_id) == list(range(2, last + 1))
    told = [(place, event) for place, event in enumerate(caught_up) if event["event"] == "lagged"]
    assert told
    for place, lagged in told:
        assert lagged["run_id"] == str(run_id)
        assert lagged["after_seq"] == lagged["data"]["after_seq"] == numbers(caught_up[:place], run_id)[-1]
