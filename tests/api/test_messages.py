"""Messages: taken in bulk, found again."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlmodel import select

from db import batches
from db.engine import Database
from models.message import Message
from tests.support.api import ServedApi


def message(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "source": "acme",
        "channel": "dev",
        "external_id": str(number),
        "author": "dana",
        "sent_at": f"2026-03-10T09:{number % 60:02}:00Z",
        "content": f"message {number}",
        **changes,
    }


async def store(api: ServedApi, *messages: Any) -> Any:
    return await api.post("/messages", {"messages": list(messages)})


async def test_messages_are_inserted_once_and_updated_when_they_change(api: ServedApi) -> None:
    first = await store(api, message(1), message(2))
    assert first == {"inserted": 2, "updated": 0, "unchanged": 0, "rejected": []}
    again = await store(api, message(1), message(2, content="edited"), message(3))
    assert again == {"inserted": 1, "updated": 1, "unchanged": 1, "rejected": []}
    found = await api.get("/messages")
    assert [item["content"] for item in found["items"]] == ["message 3", "edited", "message 1"]


async def test_the_clock_of_the_writer_is_kept_and_learning_of_it_is_no_edit(
    api: ServedApi, database: Database
) -> None:
    await store(api, message(1, sent_at="2026-03-11T04:30:00Z"))
    [before] = await _rows(database)
    stored = await store(api, message(1, sent_at="2026-03-10T23:30:00-05:00"))
    assert (stored["updated"], stored["unchanged"]) == (1, 0)
    [row] = await _rows(database)
    assert (row.sent_at, row.utc_offset, row.updated_at) == (before.sent_at, -300, before.updated_at)
    assert (await store(api, message(1, sent_at="2026-03-10T23:30:00-05:00")))["unchanged"] == 1
    async with database.transaction() as session:
        [shown] = await batches.messages(session, [row.id])
    assert shown.local.isoformat() == "2026-03-10T23:30:00-05:00"


async def _rows(database: Database) -> Sequence[Message]:
    async with database.transaction() as session:
        return (await session.exec(select(Message))).all()


async def test_the_source_the_channel_and_the_id_are_the_key(api: ServedApi) -> None:
    stored = await store(api, message(1), message(1, source="other"), message(1, channel="ops"))
    assert stored["inserted"] == 3
    assert (await api.get("/sources"))["total"] == 2


async def test_an_item_that_can_not_be_stored_is_rejected_alone(api: ServedApi) -> None:
    bad = {
        "missing_field": {key: value for key, value in message(1).items() if key != "author"},
        "unknown_field": message(1, colour="red"),
        "invalid_field": message(1, author=7),
        "invalid_item": "text",
        "naive_time": message(1, sent_at="2026-03-10T09:00:00"),
        "invalid_time": message(1, sent_at="yesterday"),
        "invalid_text": message(1, content="a\0b"),
        "empty_content": message(1, content=" \n"),
        "empty_field": message(1, channel=""),
        "content_too_long": message(1, content="x" * 100_001),
        "field_too_long": message(1, author="x" * 201),
    }
    stored = await store(api, *bad.values(), message(2))
    assert stored["inserted"] == 1
    assert [(entry["index"], entry["code"]) for entry in stored["rejected"]] == list(enumerate(bad))
    assert all(entry["detail"] for entry in stored["rejected"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sent_at": 1741597200}, "invalid_time"),
        ({"sent_at": None}, "invalid_time"),
        ({"sent_at": "0001-01-01T00:00:00+10:00"}, "invalid_time"),
        ({"source": ""}, "empty_field"),
        ({"source": "a\0"}, "invalid_text"),
        ({"external_id": "x" * 401}, "field_too_long"),
        ({"thread_id": ""}, "empty_field"),
        ({"is_bot": "perhaps"}, "invalid_field"),
        ({"content": None}, "invalid_field"),
    ],
)
async def test_every_field_is_looked_at(api: ServedApi, changes: dict[str, Any], code: str) -> None:
    stored = await store(api, message(1, **changes), message(2))
    assert [entry["code"] for entry in stored["rejected"]] == [code]
    assert stored["inserted"] == 1


async def test_the_clock_of_a_time_is_less_than_a_day_away(api: ServedApi) -> None:
    for number, offset in enumerate(("+23:59:59", "-23:59:59")):
        stored = await store(api, message(number, sent_at=f"2026-03-10T09:00:00{offset}"))
        assert stored["inserted"] == 1


async def test_a_lone_surrogate_is_rejected_and_an_emoji_is_not(api: ServedApi) -> None:
    body = (
        b'{"messages": [{"source": "s", "channel": "c", "external_id": "1", "author": "a", "sent_at":'
        b' "2026-03-10T09:00:00Z", "content": "\\ud83d"}, {"\\ud800": 1}, {"source": "s", "channel": "c",'
        b' "external_id": "2", "author": "a", "sent_at": "2026-03-10T09:00:00+01:00", "content": "\\ud83d\\ude00"}]}'
    )
    reply = await api.http.post("/messages", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200, reply.text
    stored = reply.json()
    assert stored["inserted"] == 1
    assert stored["rejected"][0]["code"] == "invalid_text"
    found = (await api.get("/messages"))["items"][0]
    assert (found["content"], found["sent_at"]) == ("😀", "2026-03-10T08:00:00Z")


async def test_a_rejection_does_not_repeat_the_message(api: ServedApi) -> None:
    reply = await api.http.post("/messages", json={"messages": [message(1, content="hunter2\0", author=["hunter2"])]})
    assert "hunter2" not in reply.text


@pytest.mark.parametrize(
    "body", [{}, {"messages": "text"}, {"messages": {}}, {"messages": [], "colour": "red"}, [], None]
)
async def test_a_list_that_is_none_is_422(api: ServedApi, body: Any) -> None:
    await api.post("/messages", body, status=422)


async def test_a_thousand_messages_go_in_and_one_more_does_not(api: ServedApi) -> None:
    many = [message(number) for number in range(1001)]
    refused = await api.post("/messages", {"messages": many}, status=422)
    assert refused["errors"][0]["code"] == "too_long"
    assert (await store(api, *many[:1000]))["inserted"] == 1000
    assert (await store(api))["inserted"] == 0


async def test_parallel_posts_of_the_same_messages_insert_each_once(api: ServedApi) -> None:
    many = [message(number) for number in range(200)]
    stored = await asyncio.gather(*(store(api, *(many if even else reversed(many))) for even in (1, 0) * 4))
    assert sum(one["inserted"] for one in stored) == 200
    assert sum(one["unchanged"] for one in stored) == 1400


async def test_messages_are_found_by_source_channel_time_and_text(api: ServedApi) -> None:
    await store(
        api,
        message(1, content="100% sure"),
        message(2, content="100 per cent"),
        message(3, channel="ops", content="Deploy_now"),
        message(4, source="other", content="deploy now"),
    )

    async def ids(**query: Any) -> list[str]:
        return [item["external_id"] for item in (await api.get("/messages", **query))["items"]]

    assert await ids() == ["4", "3", "2", "1"]
    assert await ids(source="acme") == ["3", "2", "1"]
    assert await ids(source="nobody") == []
    assert await ids(channel="ops") == ["3"]
    assert await ids(**{"from": "2026-03-10T09:02:00Z", "to": "2026-03-10T09:04:00Z"}) == ["3", "2"]
    assert await ids(q="deploy") == ["4", "3"]
    assert await ids(q="%") == ["1"]
    assert await ids(q="y_n") == ["3"]
    page = await api.get("/messages", limit=3)
    assert page["total"] == 4
    rest = await api.get("/messages", limit=3, cursor=page["next_cursor"])
    assert [item["external_id"] for item in rest["items"]] == ["1"]
    assert rest["items"][0]["source"] == "acme"
