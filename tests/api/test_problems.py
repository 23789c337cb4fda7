"""Whatever goes wrong, the reply is a problem document that names it and gives nothing away."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.limits import MAX_BODY_BYTES, BodyLimit
from errors import Conflict, ModelFailure
from settings import Settings
from tests.support.api import ServedApi, serve_api

JSON = {"Content-Type": "application/json"}


def problem(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The reply's problem document, which has the members that each one has."""
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["X-Request-Id"]
    document: dict[str, Any] = reply.json()
    assert document["type"] == f"urn:gleaner:problem:{code}"
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == reply.request.url.raw_path.decode().partition("?")[0]
    assert ("errors" in document) == (status == 422)
    for error in document.get("errors", []):
        assert set(error) == {"field", "loc", "message", "code"}
    return document


async def test_an_unknown_path_is_404(api: ServedApi) -> None:
    problem(await api.http.get("/nothing"), 404, "not_found")
    problem(await api.http.get("/providers/%00"), 422, "validation_error")
    problem(await api.http.get("/caf%C3%A9%00"), 404, "not_found")


async def test_a_wrong_method_is_405_and_names_the_right_ones(api: ServedApi) -> None:
    reply = await api.http.put("/stats")
    problem(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"] == "GET"


async def test_each_wrong_field_is_named_without_what_was_sent(api: ServedApi) -> None:
    body = {"name": 7, "type": "secret-value", "request_timeout_seconds": 0, "colour": "red"}
    reply = await api.http.post("/providers", json=body)
    document = problem(reply, 422, "validation_error")
    named = {error["field"]: error["code"] for error in document["errors"]}
    assert named == {
        "name": "string_type",
        "type": "literal_error",
        "request_timeout_seconds": "greater_than",
        "colour": "extra_forbidden",
    }
    assert "secret-value" not in reply.text


@pytest.mark.parametrize("body", [b"{", b"{'name': 1}", b"\xff\xfe", b"[" * 100_000, b'{"name": ' + b"1" * 5000 + b"}"])
async def test_a_body_that_is_no_json_is_422(api: ServedApi, body: bytes) -> None:
    problem(await api.http.post("/sources", content=body, headers=JSON), 422, "invalid_json")


async def test_a_body_of_another_kind_is_422(api: ServedApi) -> None:
    for body in (b"null", b"[]", b'"text"', b""):
        problem(await api.http.post("/sources", content=body, headers=JSON), 422, "validation_error")


async def test_a_time_without_an_offset_is_422(api: ServedApi) -> None:
    reply = await api.http.get("/messages", params={"from": "2026-03-10T09:00:00"})
    document = problem(reply, 422, "validation_error")
    assert document["errors"][0]["field"] == "from"
    assert "offset" in document["errors"][0]["message"]


async def test_a_value_that_the_database_can_not_hold_is_422(api: ServedApi) -> None:
    problem(await api.http.get("/messages?channel=%00"), 422, "invalid_text")
    problem(await api.http.get("/messages", params={"from": "0001-01-01T00:00:00+10:00"}), 422, "invalid_value")


async def test_a_declared_body_over_the_bound_is_413(api: ServedApi) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    problem(await api.http.post("/sources", content=body, headers=JSON), 413, "body_too_large")


async def test_a_body_that_grows_over_the_bound_is_413(api: ServedApi) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1_000_000

    problem(await api.http.post("/sources", content=endless(), headers=JSON), 413, "body_too_large")


async def test_a_body_whose_last_piece_is_over_the_bound_is_refused_without_waiting_for_more() -> None:
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b" " * (MAX_BODY_BYTES + 1), "more_body": False}

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await receive()

    async def send(_: Message) -> None:
        return

    with pytest.raises(HTTPException):
        await BodyLimit(app)({"type": "http", "headers": []}, receive, send)
    assert asked == 1


async def test_a_body_at_the_bound_is_read(api: ServedApi) -> None:
    body = json.dumps({"name": "large"}).encode()
    reply = await api.http.post("/sources", content=body + b" " * (MAX_BODY_BYTES - len(body)), headers=JSON)
    assert reply.status_code == 201


async def test_every_reply_has_a_request_id_and_a_plain_one_is_kept(api: ServedApi) -> None:
    kept = await api.http.get("/stats", headers={"X-Request-Id": "abc-123"})
    assert kept.headers["X-Request-Id"] == "abc-123"
    for strange in ("a b", "x" * 200, "<script>"):
        made = await api.http.get("/stats", headers={"X-Request-Id": strange})
        assert made.headers["X-Request-Id"] not in ("", strange)


async def test_an_unexpected_error_is_500_and_gives_nothing_away(settings: Settings) -> None:
    async def broken(_: Request) -> None:
        raise RuntimeError("the password is hunter2")

    async with serve_api(settings) as api:
        api.app.add_api_route("/broken", broken)
        reply = await api.http.get(f"{api.url}/broken")
    problem(reply, 500, "internal_error")
    assert "hunter2" not in reply.text


async def test_an_error_of_ours_brings_its_members_but_can_not_change_the_usual_ones(settings: Settings) -> None:
    async def refused() -> None:
        raise Conflict("run_overlap", "Taken.", conflicting_run_id="r", status=200)

    async def failed() -> None:
        raise ModelFailure("auth", "The key is refused.")

    async with serve_api(settings) as api:
        api.app.add_api_route("/refused", refused)
        api.app.add_api_route("/failed", failed)
        document = problem(await api.http.get(f"{api.url}/refused"), 409, "run_overlap")
        problem(await api.http.get(f"{api.url}/failed"), 502, "model_auth")
    assert document["conflicting_run_id"] == "r"


async def test_without_its_database_the_service_answers_503(settings: Settings) -> None:
    away = type(settings.database_url)("postgresql://nobody:nothing@127.0.0.1:1/none")
    async with serve_api(settings.model_copy(update={"database_url": away})) as api:
        problem(await api.http.get("/stats"), 503, "database_unavailable")
        keyed = await api.http.post("/sources", json={"name": "s"}, headers={"Idempotency-Key": "k"})
        problem(keyed, 503, "database_unavailable")
