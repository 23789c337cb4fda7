"""Keys and what they open."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from db import keys
from db.engine import Database
from errors import Conflict, NotFound, Unprocessable
from models.base import new_id, now
from models.service import ApiKey
from models.values import Scope
from settings import Settings
from tests.support.api import ServedApi, serve_api


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[ServedApi]:
    """The API with keys."""
    async with serve_api(settings.model_copy(update={"auth": "required"})) as served:
        yield served


async def make_key(database: Database, *scopes: Scope, days: float | None = None) -> keys.NewKey:
    async with database.transaction() as session:
        expires_at = None if days is None else now() + timedelta(days=days)
        return await keys.create(session, f"key to {'+'.join(scopes)}", scopes, expires_at=expires_at)


async def test_no_key_bears_the_name_of_the_service(database: Database) -> None:
    with pytest.raises(Unprocessable, match="by itself"):
        async with database.transaction() as session:
            await keys.create(session, "system", ["review"])


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_without_a_key_every_call_is_401_with_a_challenge(guarded: ServedApi) -> None:
    sent: tuple[dict[str, str], ...] = ({}, {"Authorization": "Basic Zm9vOmJhcg=="}, {"Authorization": "Bearer"})
    for headers in sent:
        reply = await guarded.http.get("/stats", headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (401, "key_missing")
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="gleaner"'


async def test_an_unknown_key_is_401(guarded: ServedApi) -> None:
    reply = await guarded.http.get("/stats", headers=bearer("glnr_unknown"))
    assert (reply.status_code, reply.json()["code"]) == (401, "key_invalid")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


async def test_the_caller_is_known_before_the_body_is_read(guarded: ServedApi) -> None:
    reply = await guarded.http.post("/sources", content=b"{", headers={"Content-Type": "application/json"})
    assert reply.status_code == 401


@pytest.mark.parametrize(
    ("scopes", "reading", "ingesting", "configuring"),
    [
        (("read",), 200, 403, 403),
        (("review",), 200, 403, 403),
        (("run",), 200, 200, 403),
        (("read", "run"), 200, 200, 403),
        (("admin",), 200, 200, 201),
    ],
)
async def test_a_key_opens_what_its_scopes_name(
    guarded: ServedApi, database: Database, scopes: Sequence[Scope], reading: int, ingesting: int, configuring: int
) -> None:
    headers = bearer((await make_key(database, *scopes)).secret)
    assert (await guarded.http.get("/stats", headers=headers)).status_code == reading
    stored = await guarded.http.post("/messages", json={"messages": []}, headers=headers)
    assert stored.status_code == ingesting
    made = await guarded.http.post("/sources", json={"name": "s"}, headers=headers)
    assert made.status_code == configuring
    if configuring == 403:
        assert made.json()["required_scope"] == "admin"
        assert 'error="insufficient_scope", scope="admin"' in made.headers["WWW-Authenticate"]


async def test_a_key_without_the_scope_learns_that_before_what_its_request_lacks(
    guarded: ServedApi, database: Database
) -> None:
    headers = bearer((await make_key(database, "read")).secret)
    refused = await guarded.http.patch(f"/proposals/{new_id()}", json={"proposed_title": "x"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


async def test_a_key_ends_when_it_is_revoked_or_expires(guarded: ServedApi, database: Database) -> None:
    revoked = await make_key(database, "read")
    assert (await guarded.http.get("/stats", headers=bearer(revoked.secret))).status_code == 200
    async with database.transaction() as session:
        await keys.revoke(session, revoked.row.prefix)
    expired = await make_key(database, "read", days=-1)
    lasting = await make_key(database, "read", days=1)
    for key, status in ((revoked, 401), (expired, 401), (lasting, 200)):
        assert (await guarded.http.get("/stats", headers=bearer(key.secret))).status_code == status


async def test_a_key_is_listed_by_its_prefix_and_stored_as_a_hash(database: Database) -> None:
    made = await make_key(database, "read", "run")
    async with database.transaction() as session:
        rows = await keys.listed(session)
    assert [(row.id, row.scopes) for row in rows] == [(made.row.id, ["read", "run"])]
    assert made.secret.startswith(rows[0].prefix)
    assert len(made.secret) == len("glnr_") + 43
    assert made.secret not in repr(rows)
    assert len(rows[0].key_hash) == 32


async def test_a_key_is_revoked_by_its_id_or_prefix(database: Database) -> None:
    made = await make_key(database, "read")
    async with database.transaction() as session:
        first = await keys.revoke(session, str(made.row.id))
        assert (await keys.revoke(session, made.row.prefix)).revoked_at == first.revoked_at
        with pytest.raises(NotFound):
            await keys.revoke(session, "glnr_nothing")
        twin = ApiKey(name="twin", prefix=made.row.prefix, key_hash=b"other", scopes=["read"])
        session.add(twin)
        await session.flush()
        with pytest.raises(Conflict):
            await keys.revoke(session, made.row.prefix)


async def test_where_keys_are_off_other_pages_may_not_call(api: ServedApi) -> None:
    port = api.url.rpartition(":")[2]
    allowed: tuple[dict[str, str], ...] = ({}, {"Origin": api.url}, {"Host": f"localhost:{port}"})
    refused = (
        ({"Origin": "https://evil.example"}, "forbidden_origin"),
        ({"Origin": "null"}, "forbidden_origin"),
        ({"Host": f"evil.example:{port}"}, "forbidden_host"),
        ({"Host": "["}, "forbidden_host"),
        ({"Origin": "http://["}, "forbidden_origin"),
        ({"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}, "forbidden_host"),
    )
    for headers in allowed:
        assert (await api.http.get("/stats", headers=headers)).status_code == 200
    for headers, code in refused:
        reply = await api.http.get("/stats", headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, code)


async def test_an_origin_that_is_allowed_may_call(settings: Settings) -> None:
    async with serve_api(settings.model_copy(update={"allowed_origins": ["https://pages.example"]})) as api:
        assert (await api.http.get("/stats", headers={"Origin": "https://pages.example"})).status_code == 200
