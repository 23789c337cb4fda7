"""The same request again gets the first reply again."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
from sqlmodel import update

from api.idempotency import IdempotentRoute, request_hash
from db import idempotency, keys
from db.engine import Database
from models.base import now
from models.service import IdempotencyKey
from settings import Settings
from tests.support.api import ServedApi, serve_api


async def send(api: ServedApi, key: str, body: Any, path: str = "/sources") -> httpx.Response:
    return await api.http.post(path, json=body, headers={"Idempotency-Key": key})


async def age(database: Database, **by: float) -> None:
    """Make every kept reply older."""
    async with database.transaction() as session:
        await session.exec(update(IdempotencyKey).values(created_at=now() - timedelta(**by)))


async def begin(database: Database, key: str, body: bytes) -> None:
    """A request with this key that began and never ended."""
    async with database.transaction() as session:
        await idempotency.claim(session, "local", key, request_hash("POST", "/api/v1/sources", "", body))


async def test_a_repeated_create_gets_the_first_reply_and_makes_nothing_more(api: ServedApi) -> None:
    first = await send(api, "k", {"name": "s"})
    again = await send(api, "k", {"name": "s"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert (await api.get("/sources"))["total"] == 1


async def test_the_order_and_spacing_of_the_body_do_not_matter(api: ServedApi) -> None:
    await send(api, "k", {"name": "s", "type": "irc"})
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    again = await api.http.post("/sources", content=b'{ "type":"irc",\n"name":"s" }', headers=headers)
    assert again.status_code == 201


async def test_another_request_with_the_key_is_422(api: ServedApi) -> None:
    await send(api, "k", {"name": "s"})
    for reply in (await send(api, "k", {"name": "t"}), await send(api, "k", {"name": "s"}, "/projects")):
        assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_reused")
    assert (await api.get("/projects"))["total"] == 0


async def test_a_refusal_is_a_reply_too(api: ServedApi) -> None:
    await api.post("/sources", {"name": "s"}, status=201)
    first = await send(api, "k", {"name": "s"})
    assert first.status_code == 409
    await api.delete(f"/sources/{(await api.get('/sources'))['items'][0]['id']}")
    again = await send(api, "k", {"name": "s"})
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers["Content-Type"] == "application/problem+json"
    assert (await send(api, "bad", {"nme": "s"})).status_code == 422
    assert (await send(api, "bad", {"nme": "s"})).headers["Idempotent-Replayed"] == "true"


async def test_of_parallel_requests_one_creates_and_the_others_hear_of_it(api: ServedApi) -> None:
    replies = await asyncio.gather(*(send(api, "k", {"name": "s"}) for _ in range(10)))
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert any(reply.status_code == 201 for reply in replies)
    assert {reply.json()["code"] for reply in replies if reply.status_code == 409} <= {"idempotency_in_flight"}
    assert (await api.get("/sources"))["total"] == 1


async def test_a_request_under_way_is_409_until_it_must_have_died(api: ServedApi, database: Database) -> None:
    await begin(database, "k", b'{"name":"s"}')
    in_flight = await send(api, "k", {"name": "s"})
    assert (in_flight.status_code, in_flight.json()["code"]) == (409, "idempotency_in_flight")
    await age(database, seconds=61)
    assert (await send(api, "k", {"name": "other"})).json()["code"] == "idempotency_key_reused"
    assert (await send(api, "k", {"name": "s"})).status_code == 201


async def test_a_reply_is_forgotten_after_a_day(api: ServedApi, database: Database) -> None:
    await send(api, "k", {"name": "s"})
    await age(database, hours=23)
    assert (await send(api, "k", {"name": "s"})).status_code == 201
    await age(database, hours=25)
    assert (await send(api, "k", {"name": "t"})).status_code == 201


async def test_a_late_request_does_not_overwrite_the_one_that_took_over(database: Database) -> None:
    async with database.transaction() as session:
        first = await idempotency.claim(session, "a", "k", b"hash")
    await age(database, seconds=61)
    async with database.transaction() as session:
        second = await idempotency.claim(session, "a", "k", b"hash")
    assert isinstance(first, idempotency.Claim)
    assert isinstance(second, idempotency.Claim)
    async with database.transaction() as session:
        await idempotency.keep(session, second, idempotency.KeptReply(201, "application/json", "second"))
        await idempotency.keep(session, first, idempotency.KeptReply(201, "application/json", "first"))
        await idempotency.release(session, first)
    async with database.transaction() as session:
        kept = await idempotency.claim(session, "a", "k", b"hash")
    assert isinstance(kept, idempotency.KeptReply)
    assert kept.text == "second"


async def test_an_error_of_the_service_is_not_kept(settings: Settings) -> None:
    answers = iter((RuntimeError("broken"), None))

    async def flaky() -> dict[str, str]:
        error = next(answers)
        if error is not None:
            raise error
        return {"status": "done"}

    async with serve_api(settings) as api:
        api.app.router.route_class = IdempotentRoute
        api.app.add_api_route("/api/v1/flaky", flaky, methods=["POST"])
        assert (await send(api, "k", None, "/flaky")).status_code == 500
        assert (await send(api, "k", None, "/flaky")).json() == {"status": "done"}
        assert (await send(api, "k", None, "/flaky")).headers["Idempotent-Replayed"] == "true"


async def test_each_caller_has_keys_of_their_own(settings: Settings, database: Database) -> None:
    async with database.transaction() as session:
        secrets = [(await keys.create(session, name, ["admin"])).secret for name in ("one", "two")]
    async with serve_api(settings.model_copy(update={"auth": "required"})) as api:
        for number, secret in enumerate(secrets):
            headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {secret}"}
            reply = await api.http.post("/sources", json={"name": str(number)}, headers=headers)
            assert reply.status_code == 201


async def test_a_key_without_or_with_too_many_characters_is_422(api: ServedApi) -> None:
    for key in ("", "x" * 256):
        reply = await send(api, key, {"name": "s"})
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid_idempotency_key")
