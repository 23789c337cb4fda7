"""A run's events as a list and as Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from api import stream
from db import lifecycle, runs
from db.engine import Database
from models.base import new_id
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.events import Event, SseReader, make_run, record
from tests.support.waiting import until

Frame = tuple[str, str, Event]


@asynccontextmanager
async def streaming(
    api: ServedApi, run_id: UUID, *, last: object = None, **query: str | int
) -> AsyncIterator[SseReader]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    path = f"/analysis/runs/{run_id}/stream"
    async with api.http.stream("GET", path, params=query, headers=headers) as reply:
        assert reply.status_code == 200, await reply.aread()
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield SseReader(reply.aiter_lines())


async def _all(api: ServedApi, run_id: UUID, *, last: object = None, **query: str | int) -> list[Frame]:
    """The whole stream, which must end by itself."""
    async with asyncio.timeout(20), streaming(api, run_id, last=last, **query) as reader:
        return [frame async for frame in reader]


def _ids(frames: list[Frame]) -> list[int]:
    return [int(number) for number, _, _ in frames]


async def test_events_are_listed_page_by_page_oldest_first(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    await record(database, run_id, *["progress_updated"] * 119)
    seen: list[int] = []
    after = 0
    for size in (50, 50, 20, 0):
        page = await api.get(f"/analysis/runs/{run_id}/events", after_seq=after)
        assert len(page["items"]) == size
        seen += [event["seq"] for event in page["items"]]
        after = page["next_after_seq"]
    assert seen == list(range(1, 121))
    assert after == 120
    event = (await api.get(f"/analysis/runs/{run_id}/events", limit=1))["items"][0]
    assert (event["event"], event["seq"], event["run_id"]) == ("run_created", 1, str(run_id))
    assert set(event) == {"event", "data", "run_id", "seq", "at"}


async def test_events_of_an_unknown_run_and_bad_numbers_are_refused(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    for path in ("events", "stream"):
        assert (await api.get(f"/analysis/runs/{new_id()}/{path}", status=404))["code"] == "run_not_found"
        await api.get(f"/analysis/runs/{run_id}/{path}", status=422, after_seq=-1)
        await api.get(f"/analysis/runs/{run_id}/{path}", status=422, after_seq=2**31)
    for limit in (0, 201):
        await api.get(f"/analysis/runs/{run_id}/events", status=422, limit=limit)
    await api.get(f"/analysis/runs/{run_id}/stream", status=422, until="tomorrow")


@pytest.mark.parametrize("closing", ["run_closed", "run_cancelled", "run_failed"])
async def test_a_stream_gives_past_and_coming_events_and_ends_with_the_run(
    api: ServedApi, database: Database, closing: str
) -> None:
    run_id = await make_run(database)
    async with asyncio.timeout(20), streaming(api, run_id) as reader:
        frames = aiter(reader)
        first = await anext(frames)
        assert first[:2] == ("1", "run_created")
        await record(database, run_id, "run_started", data={"text": "two\nlines"})
        number, name, event = await anext(frames)
        assert (number, name) == ("2", "run_started") == (str(event["seq"]), event["event"])
        assert event["data"] == {"text": "two\nlines"}
        await record(database, run_id, closing)
        assert [frame[1] async for frame in frames] == [closing]


async def test_a_stream_resumes_after_the_last_event_id(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    await record(database, run_id, *["progress_updated"] * 498, "run_closed")
    assert _ids(await _all(api, run_id)) == list(range(1, 501))
    assert _ids(await _all(api, run_id, after_seq=490)) == list(range(491, 501))
    assert _ids(await _all(api, run_id, last=495)) == list(range(496, 501))
    assert _ids(await _all(api, run_id, last=495, after_seq=3)) == list(range(496, 501))


async def test_a_stream_broken_off_again_and_again_loses_and_repeats_nothing(
    api: ServedApi, database: Database
) -> None:
    run_id = await make_run(database)

    async def write() -> None:
        for _ in range(100):
            await record(database, run_id, "progress_updated", "proposals_created")
        await record(database, run_id, "run_failed")

    writing = asyncio.create_task(write())
    seen: list[int] = []
    while len(seen) < 202:
        async with asyncio.timeout(20), streaming(api, run_id, last=seen[-1] if seen else 0) as reader:
            async for number, _, _ in reader:
                seen.append(int(number))
                if int(number) % 9 == 0:
                    break
    await writing
    assert seen == list(range(1, 203))


async def _cancelled(database: Database) -> UUID:
    run_id = await make_run(database)
    async with runs.locked(database, run_id) as held:
        await lifecycle.cancel(held)
    return run_id


async def test_a_stream_of_a_run_that_is_over_ends_even_when_nothing_is_left_to_send(
    api: ServedApi, database: Database
) -> None:
    run_id = await _cancelled(database)
    assert [name for _, name, _ in await _all(api, run_id)] == ["run_created", "run_cancelled"]
    assert await _all(api, run_id, last=2) == []
    assert await _all(api, run_id, after_seq=77) == []


async def test_a_stream_of_a_run_that_was_closed_after_it_was_cancelled_tells_both(
    api: ServedApi, database: Database
) -> None:
    run_id = await _cancelled(database)
    async with runs.locked(database, run_id) as held:
        await lifecycle.close(held)
    assert [name for _, name, _ in await _all(api, run_id)] == ["run_created", "run_cancelled", "run_closed"]


async def test_a_stream_until_settled_ends_with_the_analysis(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    await record(database, run_id, "run_started", "run_completed")
    assert _ids(await _all(api, run_id, until="settled")) == [1, 2, 3]
    async with streaming(api, run_id) as reader:
        frames = aiter(reader)
        assert [(await anext(frames))[1] for _ in range(3)] == ["run_created", "run_started", "run_completed"]
        await record(database, run_id, "run_closed")
        assert [name async for _, name, _ in frames] == ["run_closed"]


async def test_a_stream_goes_on_through_a_failure_that_was_retried(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    await record(database, run_id, "run_started", "run_failed", "run_resumed")
    async with streaming(api, run_id) as reader:
        frames = aiter(reader)
        assert [(await anext(frames))[1] for _ in range(4)][-1] == "run_resumed"
        await record(database, run_id, "progress_updated", "run_failed")
        assert [name async for _, name, _ in frames] == ["progress_updated", "run_failed"]


async def test_a_quiet_stream_says_that_it_lives(
    api: ServedApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    run_id = await make_run(database)
    async with asyncio.timeout(20), api.http.stream("GET", f"/analysis/runs/{run_id}/stream?after_seq=1") as reply:
        quiet = aiter(reply.aiter_lines())
        assert [await anext(quiet) for _ in range(6)] == [": ping", ""] * 3


async def test_a_stream_ends_when_the_service_stops(settings: Settings, database: Database) -> None:
    run_id = await make_run(database)
    async with serve_api(settings) as api:
        opened = streaming(api, run_id)
        reader = await opened.__aenter__()
        frames = aiter(reader)
        await anext(frames)
        rest = asyncio.create_task(anext(frames, None))
    assert await rest is None
    await opened.__aexit__(None, None, None)


async def test_a_reader_that_leaves_ends_its_stream(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    async with streaming(api, run_id) as reader:
        await anext(aiter(reader))
        assert api.resources.hub.subscribers == 1

    async def subscribers() -> int:
        return api.resources.hub.subscribers

    await until(subscribers, lambda count: count == 0)
