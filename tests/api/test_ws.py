"""What a WebSocket client hears, and what it may say."""

import json

import pytest

from db.engine import Database
from models.base import new_id
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.events import listening, make_run, names, numbers, record
from tests.support.waiting import until

UNKNOWN = "00000000-0000-7000-8000-000000000000"


async def test_a_plain_connection_hears_every_run_and_proposal_event_as_one_json_object(
    api: ServedApi, database: Database
) -> None:
    async with listening(api.socket_url) as client:
        run_id = await make_run(database)
        await record(database, run_id, "progress_updated", "proposals_created", data={"text": "häß ☃"})
        heard = await client.until_seq(run_id, 3)
    assert names(heard) == ["run_created", "progress_updated", "proposals_created"]
    assert numbers(heard, run_id) == [1, 2, 3]
    for event in heard:
        assert set(event) == {"event", "data", "run_id", "seq", "at"}
    assert heard[1]["data"] == {"text": "häß ☃"}
    assert heard[1]["at"].endswith("Z")


async def test_the_socket_is_also_served_under_the_prefix_of_the_api(api: ServedApi, database: Database) -> None:
    async with listening(api.socket_url.replace("/ws", "/api/v1/ws")) as client:
        run_id = await make_run(database)
        assert (await client.next())["run_id"] == str(run_id)


async def test_nothing_that_happens_from_the_handshake_on_is_missed(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    for number in range(2, 22):
        async with listening(api.socket_url, run_id=run_id) as client:
            await record(database, run_id, "progress_updated")
            assert numbers(await client.until_seq(run_id, number), run_id) == [number]


async def test_what_happened_before_the_handshake_is_not_heard(api: ServedApi, database: Database) -> None:
    for _ in range(20):
        run_id = await make_run(database)
        last = await record(database, run_id, "run_started", "messages_fetched")
        async with listening(api.socket_url) as client:
            await record(database, run_id, "run_completed")
            assert numbers(await client.until_seq(run_id, last + 1), run_id) == [last + 1]


async def test_a_connection_for_one_run_hears_no_other(api: ServedApi, database: Database) -> None:
    mine, other = await make_run(database), await make_run(database)
    async with listening(api.socket_url, run_id=mine) as client:
        await record(database, other, "progress_updated")
        await record(database, mine, "run_started")
        heard = await client.until_seq(mine, 2)
    assert {event["run_id"] for event in heard} == {str(mine)}


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        ("runs", ["run_started", "batch_failed", "command_refused", "run_closed"]),
        ("proposals", ["proposals_created", "proposal_approved", "proposal_edited"]),
        ("messages,imports", []),
        ("", None),
    ],
)
async def test_a_topic_chooses_which_events_are_heard(
    api: ServedApi, database: Database, topics: str, expected: list[str] | None
) -> None:
    run_id = await make_run(database)
    events = ["run_started", "proposals_created", "batch_failed", "proposal_approved", "proposal_edited"]
    events += ["command_refused", "run_closed"]
    last = await record(database, run_id, *events)
    wanted = events if expected is None else expected
    async with listening(api.socket_url, run_id=run_id, topics=topics, after_seq=1) as client:
        assert names(await client.take(len(wanted))) == wanted
        async with listening(api.socket_url, run_id=run_id, after_seq=last - 1) as other:
            await other.next()
        assert await client.barrier() == []


async def test_subscriptions_change_while_the_connection_is_open(api: ServedApi, database: Database) -> None:
    first, second = await make_run(database), await make_run(database)
    async with listening(api.socket_url, run_id=first) as client, listening(api.socket_url) as witness:
        await client.barrier()
        await client.say("subscribe", run_id=second)
        await client.barrier()
        last = await record(database, second, "run_started")
        assert numbers(await client.until_seq(second, last), second)[-1] == last

        await client.say("unsubscribe", run_id=second)
        await client.say("unsubscribe", topic="proposals")
        await client.barrier()
        await record(database, second, "run_completed")
        await record(database, first, "proposals_created", "run_started")
        await witness.until_seq(first, 3)
        assert names(await client.until_seq(first, 3)) == ["run_started"]

        await client.say("subscribe", topic="proposals")
        await client.barrier()
        await record(database, first, "proposals_created")
        assert names(await client.until_seq(first, 4)) == ["proposals_created"]


async def test_a_plain_connection_can_leave_one_run_out(api: ServedApi, database: Database) -> None:
    loud, quiet = await make_run(database), await make_run(database)
    async with listening(api.socket_url) as client:
        await client.barrier()
        await client.say("unsubscribe", run_id=loud)
        await client.barrier()
        await record(database, loud, "progress_updated")
        last = await record(database, quiet, "run_started")
        assert numbers(await client.until_seq(quiet, last), loud) == []
        await client.say("subscribe", run_id=loud, after_seq=1)
        assert numbers(await client.until_seq(loud, 2), loud) == [2]


async def test_a_subscription_with_a_number_replays_from_there_and_goes_on(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    await record(database, run_id, *["progress_updated"] * 9)
    async with listening(api.socket_url, topics="messages", run_id=run_id) as client:
        await client.say("subscribe", run_id=run_id, topic="runs", after_seq=4)
        assert numbers(await client.until_seq(run_id, 10), run_id) == [5, 6, 7, 8, 9, 10]
        await record(database, run_id, "run_completed")
        assert numbers(await client.until_seq(run_id, 11), run_id) == [11]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("not json", "invalid_json"),
        ("", "invalid_json"),
        ("null", "invalid_message"),
        ("[]", "invalid_message"),
        ('"ping"', "invalid_message"),
        ("[" * 4000, "invalid_json"),
        ("{}", "unknown_action"),
        ('{"action": "shutdown"}', "unknown_action"),
        ('{"action": 5}', "unknown_action"),
        ('{"action": "subscribe"}', "invalid_message"),
        ('{"action": "subscribe", "run_id": 5}', "invalid_message"),
        ('{"action": "subscribe", "run_id": "x"}', "invalid_message"),
        ('{"action": "subscribe", "topic": "everything"}', "invalid_message"),
        ('{"action": "subscribe", "topic": ["runs"]}', "invalid_message"),
        ('{"action": "subscribe", "topic": "runs", "after_seq": 3}', "invalid_message"),
        ('{"action": "subscribe", "topic": "runs", "colour": "red"}', "invalid_message"),
        ('{"action": "unsubscribe", "topic": null}', "invalid_message"),
        ('{"action": "ping", "x": "' + "y" * 5000 + '"}', "message_too_long"),
        (b'{"action": "ping"}', "binary_message"),
        (b"\xff\xfe\x00", "binary_message"),
        (json.dumps({"action": "subscribe", "run_id": UNKNOWN}), "run_not_found"),
        (json.dumps({"action": "subscribe", "run_id": UNKNOWN, "after_seq": -1}), "invalid_message"),
        (json.dumps({"action": "subscribe", "run_id": UNKNOWN, "after_seq": "1"}), "invalid_message"),
        (json.dumps({"action": "subscribe", "run_id": UNKNOWN, "after_seq": True}), "invalid_message"),
        (json.dumps({"action": "subscribe", "run_id": UNKNOWN, "after_seq": 2**40}), "invalid_message"),
    ],
)
async def test_what_can_not_be_understood_gets_an_error_and_the_connection_lives_on(
    api: ServedApi, database: Database, said: str | bytes, code: str
) -> None:
    async with listening(api.socket_url) as client:
        await client.socket.send(said)
        error = await client.next()
        assert (error["event"], error["data"]["code"]) == ("error", code)
        assert error["data"]["detail"]
        assert error["run_id"] is error["seq"] is None
        run_id = await make_run(database)
        assert (await client.next())["run_id"] == str(run_id)


async def test_a_connection_names_a_bounded_number_of_runs(api: ServedApi) -> None:
    async with listening(api.socket_url) as client:
        for _ in range(1001):
            await client.say("unsubscribe", run_id=new_id())
        assert [word["data"]["code"] for word in await client.barrier()] == ["too_many_runs"]


@pytest.mark.parametrize(
    "query",
    [
        "run_id=x",
        "topics=runs,weather",
        "after_seq=3",
        f"run_id={UNKNOWN}&after_seq=-1",
        f"run_id={UNKNOWN}&after_seq=x",
    ],
)
async def test_a_query_that_makes_no_sense_is_answered_and_closed_with_4400(api: ServedApi, query: str) -> None:
    async with listening(f"{api.socket_url}?{query}") as client:
        assert (await client.next())["data"]["code"] == "invalid_query"
        assert await client.closed() == 4400


async def test_an_unknown_run_is_answered_and_closed_with_4404(api: ServedApi) -> None:
    async with listening(api.socket_url, run_id=new_id(), after_seq=0) as client:
        assert (await client.next())["data"]["code"] == "run_not_found"
        assert await client.closed() == 4404


async def test_a_message_beyond_all_bounds_ends_only_its_own_connection(api: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    async with listening(api.socket_url, run_id=run_id) as client, listening(api.socket_url, run_id=run_id) as other:
        await client.socket.send("x" * 200_000)
        await record(database, run_id, *["progress_updated"] * 50)
        assert await client.closed() == 1009
        assert numbers(await other.until_seq(run_id, 51), run_id) == list(range(2, 52))


async def test_the_service_tells_its_clients_when_it_stops(settings: Settings) -> None:
    async with serve_api(settings) as api:
        served = listening(api.socket_url)
        client = await served.__aenter__()
        await client.barrier()
    assert await client.closed() == 1012
    await served.__aexit__(None, None, None)


async def test_a_client_that_vanishes_leaves_nothing_behind(api: ServedApi, database: Database) -> None:
    for _ in range(20):
        async with listening(api.socket_url) as client:
            client.socket.transport.abort()
    run_id = await make_run(database)
    async with listening(api.socket_url, run_id=run_id, after_seq=0) as client:
        assert numbers(await client.take(1), run_id) == [1]

    async def subscribers() -> int:
        return api.resources.hub.subscribers

    await until(subscribers, lambda count: count == 0)
