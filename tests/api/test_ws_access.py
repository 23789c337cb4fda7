"""Who may open the WebSocket and the event stream."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
import websockets
from pydantic import SecretStr

from api import ws_tokens
from db import keys
from db.engine import Database
from models.base import new_id, now
from models.values import Scope
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.events import listening, make_run, numbers, record


async def _key(database: Database, *scopes: Scope) -> str:
    async with database.transaction() as session:
        return (await keys.create(session, "of a test", scopes)).secret


@pytest.fixture
async def guarded(settings: Settings, database: Database) -> AsyncIterator[ServedApi]:
    """The API with keys required; its HTTP client sends one with the scope `read`."""
    strict = settings.model_copy(update={"auth": "required", "allowed_origins": ["https://board.example.org"]})
    async with serve_api(strict, key=await _key(database, "read")) as api:
        yield api


async def _token(api: ServedApi, **wanted: Any) -> str:
    return str((await api.post("/ws-tokens", wanted or None))["token"])


async def test_a_token_lives_for_a_minute_unless_more_is_asked_for(guarded: ServedApi) -> None:
    for wanted, seconds in ((None, 60), ({}, 60), ({"ttl_seconds": 300}, 300)):
        reply = await guarded.post("/ws-tokens", wanted)
        left = datetime.fromisoformat(reply["expires_at"]) - now()
        assert timedelta(seconds=seconds - 10) < left <= timedelta(seconds=seconds)
    for seconds in (59, 301):
        await guarded.post("/ws-tokens", {"ttl_seconds": seconds}, status=422)
    await guarded.post("/ws-tokens", {"colour": "red"}, status=422)
    await guarded.post("/ws-tokens", {"run_id": str(new_id())}, status=404)


async def test_a_token_is_given_only_to_a_key(guarded: ServedApi) -> None:
    async with httpx.AsyncClient(trust_env=False) as nobody:
        assert (await nobody.post(f"{guarded.url}/api/v1/ws-tokens")).status_code == 401


async def test_a_token_opens_the_socket_and_the_stream(guarded: ServedApi, database: Database) -> None:
    run_id = await make_run(database)
    await record(database, run_id, "run_cancelled")
    token = await _token(guarded)
    async with listening(guarded.socket_url, token=token, run_id=run_id, after_seq=0) as client:
        assert numbers(await client.take(2), run_id) == [1, 2]
    async with httpx.AsyncClient(trust_env=False) as browser:
        stream = f"{guarded.url}/api/v1/analysis/runs/{run_id}/stream"
        assert (await browser.get(stream, params={"token": token})).text.count("data:") == 2
        assert (await browser.get(stream, params={"token": "x"})).status_code == 401
        assert (await browser.get(stream)).status_code == 401


async def test_a_key_in_the_header_opens_the_socket(guarded: ServedApi, database: Database) -> None:
    async with listening(guarded.socket_url, key=await _key(database, "review")) as client:
        run_id = await make_run(database)
        assert (await client.next())["run_id"] == str(run_id)


def _forged(settings: Settings, **changed: object) -> str:
    """A token signed by this service, but with other claims."""
    claims = {"sub": "x", "aud": ws_tokens.AUDIENCE, "exp": now() + timedelta(seconds=60)} | changed
    signing_key = ws_tokens._signing_key(settings)
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, signing_key, algorithm="HS256")


async def test_a_bad_token_or_none_is_closed_with_4401(guarded: ServedApi) -> None:
    settings = guarded.resources.settings
    async with listening(guarded.socket_url, token=_forged(settings)) as client:
        await client.barrier()
    bad = {
        "missing": "",
        "nonsense": "nonsense",
        "of nobody": jwt.encode({"sub": "x", "aud": ws_tokens.AUDIENCE}, "", algorithm="none"),
        "of another service": _forged(settings.model_copy(update={"secret_key": SecretStr("another")})),
        "expired": _forged(settings, exp=now() - timedelta(seconds=1)),
        "without expiry": _forged(settings, exp=None),
        "for something else": _forged(settings, aud="mail"),
        "for no run": _forged(settings, run_id="all of them"),
    }
    for kind, token in bad.items():
        async with listening(guarded.socket_url, token=token) as client:
            assert (await client.next())["event"] == "error", kind
            assert await client.closed() == 4401, kind
    async with listening(guarded.socket_url, key="glnr_nobody") as client:
        assert await client.closed() == 4401


async def test_a_bad_token_is_closed_with_4401_where_keys_are_off_too(api: ServedApi) -> None:
    async with listening(api.socket_url, token="x") as client:
        assert await client.closed() == 4401
    stream = f"{api.url}/api/v1/analysis/runs/{new_id()}/stream"
    assert (await api.http.get(stream, params={"token": "x"})).status_code == 401


async def test_a_token_for_one_run_opens_that_run_only(guarded: ServedApi, database: Database) -> None:
    mine, other = await make_run(database), await make_run(database)
    token = await _token(guarded, run_id=str(mine))
    async with listening(guarded.socket_url, token=token) as client:
        await record(database, other, "run_started")
        await record(database, mine, "run_started")
        assert numbers(await client.until_seq(mine, 2), other) == []
        await client.say("subscribe", run_id=other, after_seq=0)
        assert (await client.next())["data"]["code"] == "run_forbidden"
    async with listening(guarded.socket_url, token=token, run_id=other) as client:
        assert await client.closed() == 4403
    async with httpx.AsyncClient(trust_env=False) as browser:
        stream = f"{guarded.url}/api/v1/analysis/runs/{other}/stream"
        assert (await browser.get(stream, params={"token": token})).status_code == 403


async def _handshake(api: ServedApi, origin: str | None, token: str = "") -> int:
    """The HTTP status of a handshake from a page of this origin."""
    try:
        async with listening(api.socket_url, origin=origin, token=token):
            return 101
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


async def test_only_pages_of_this_service_and_allowed_ones_may_listen(guarded: ServedApi) -> None:
    token = await _token(guarded)
    for origin in (None, guarded.url, "https://board.example.org", "https://Board.example.org"):
        assert await _handshake(guarded, origin, token=token) == 101, origin
    foreign = [
        "https://evil.example.org",
        "http://localhost:3000",
        "null",
        "",
        "http://[",
        "https://board.example.org.evil.org",
    ]
    for origin in (*foreign, guarded.url.replace("http", "https") + "0"):
        assert await _handshake(guarded, origin, token=token) == 403, origin


async def test_without_keys_pages_of_this_machine_may_listen(api: ServedApi) -> None:
    for origin in (None, api.url, "http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8000"):
        assert await _handshake(api, origin) == 101, origin
    for origin in ("https://evil.example.org", "null", "http://127.0.0.1.evil.org", "http://["):
        assert await _handshake(api, origin) == 403, origin


async def test_without_keys_a_name_that_was_made_to_point_here_does_not_help_a_page(api: ServedApi) -> None:
    port = api.url.rpartition(":")[2]
    headers = {
        "Host": f"evil.example.org:{port}",
        "Origin": f"http://evil.example.org:{port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.get(f"{api.url}/ws", headers=headers)
    assert reply.status_code == 403


async def test_a_service_without_a_secret_gives_no_tokens(settings: Settings) -> None:
    async with serve_api(settings.model_copy(update={"secret_key": None})) as api:
        assert (await api.post("/ws-tokens", status=422))["code"] == "secret_key_missing"
        async with listening(api.socket_url, token="x") as client:
            assert await client.closed() == 4401
