"""Providers, agents, task configurations, assignments, projects and sources: made, changed, listed, removed."""

from typing import Any
from uuid import UUID

import pytest

from db.engine import Database
from models.agent import LLMProvider
from models.base import new_id
from settings import Settings
from tests.support.api import ServedApi, serve_api

KINDS = {
    "providers": {"type": "offline"},
    "task-configs": {},
    "projects": {},
    "sources": {},
}

PRIVATE_HOSTS = (
    "localhost", "LOCALHOST:11434", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:10.0.0.1]",
    "10.1.2.3", "192.168.0.10:8080", "169.254.169.254", "[fd00::1]", "[64:ff9b::7f00:1]", "0.0.0.0", "ollama",
    "models.internal", "printer.local.", "224.0.0.1",
)  # fmt: skip
BAD_ADDRESSES = (
    "ftp://models.example.com", "models.example.com", "http://", "http://[::1", "http://u:p@a.example/v1",
    "http://a b/", "http://a.example/v1?key=secret", "http://a.example:0/", "http://a.example:99999/", "",
)  # fmt: skip


async def make_agent(api: ServedApi, name: str = "finder") -> dict[str, Any]:
    provider = await api.post("/providers", {"name": f"provider of {name}", "type": "offline"}, status=201)
    body = {"name": name, "provider_id": provider["id"], "model_name": "rules-1"}
    agent: dict[str, Any] = await api.post("/agents", body, status=201)
    return agent


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_made_is_found_changed_and_removed(api: ServedApi, kind: str) -> None:
    made = await api.post(f"/{kind}", {"name": " first ", **KINDS[kind]}, status=201)
    assert made["name"] == "first"
    assert await api.get(f"/{kind}/{made['id']}") == made
    changed = await api.patch(f"/{kind}/{made['id']}", {"name": "second"})
    assert changed["name"] == "second"
    assert changed["updated_at"] > made["updated_at"]
    assert {**changed, "name": "first", "updated_at": made["updated_at"]} == made
    await api.delete(f"/{kind}/{made['id']}")
    missing = await api.get(f"/{kind}/{made['id']}", status=404)
    assert missing["code"] == f"{kind[:-1].replace('-', '_')}_not_found"


@pytest.mark.parametrize("kind", [*KINDS, "agents"])
async def test_what_is_not_there_can_be_neither_read_nor_changed_nor_removed(api: ServedApi, kind: str) -> None:
    path = f"/{kind}/{new_id()}"
    await api.get(path, status=404)
    await api.patch(path, {"name": "x"}, status=404)
    await api.delete(path, status=404)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_is_given_once(api: ServedApi, kind: str) -> None:
    body = {"name": "same", **KINDS[kind]}
    await api.post(f"/{kind}", body, status=201)
    assert (await api.post(f"/{kind}", body, status=409))["code"] == "duplicate_name"
    other = await api.post(f"/{kind}", {**body, "name": "other"}, status=201)
    assert (await api.patch(f"/{kind}/{other['id']}", {"name": "same"}, status=409))["code"] == "duplicate_name"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_patch_that_names_nothing_changes_nothing(api: ServedApi, kind: str) -> None:
    made = await api.post(f"/{kind}", {"name": "kept", **KINDS[kind]}, status=201)
    assert await api.patch(f"/{kind}/{made['id']}", {}) == made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"name": None}, "null_forbidden"),
        ({"name": "  "}, "string_too_short"),
        ({"name": "a\0b"}, "invalid_text"),
        ({"colour": "red"}, "extra_forbidden"),
        ({"is_active": "perhaps"}, "bool_parsing"),
    ],
)
async def test_a_value_that_can_not_be_taken_is_named(api: ServedApi, kind: str, patch: Any, code: str) -> None:
    made = await api.post(f"/{kind}", {"name": "kept", **KINDS[kind]}, status=201)
    refused = await api.patch(f"/{kind}/{made['id']}", patch, status=422)
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [(next(iter(patch)), code)]
    assert await api.get(f"/{kind}/{made['id']}") == made


async def test_a_lone_surrogate_is_refused_wherever_it_stands(api: ServedApi) -> None:
    for body in (
        b'{"name": "\\ud800"}',
        b'{"name": "s", "config": {"a": "\\udc00"}}',
        b'{"name": "s", "config": {"a": "\\u0000"}}',
        b'{"name": "s", "config": {"a": NaN}}',
        b'{"name": "s", "\\ud800": 1}',
    ):
        reply = await api.http.post("/sources", content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code == 422, reply.text
        assert reply.json()["errors"]


async def test_a_key_is_stored_encrypted_and_never_shown(api: ServedApi, database: Database) -> None:
    secret = "sk-never-shown"
    made = await api.http.post("/providers", json={"name": "p", "type": "openai", "api_key": secret})
    assert made.json()["has_api_key"] is True
    shown = await api.http.get(f"/providers/{made.json()['id']}")
    assert secret not in made.text + shown.text
    async with database.transaction() as session:
        row = await session.get(LLMProvider, UUID(made.json()["id"]))
    assert row is not None
    assert row.api_key_encrypted is not None
    assert secret.encode() not in row.api_key_encrypted
    assert api.resources.vault.decrypt(row.api_key_encrypted) == secret


async def test_a_key_stays_until_it_is_taken_away(api: ServedApi) -> None:
    made = await api.post("/providers", {"name": "p", "type": "openai", "api_key": "k"}, status=201)
    assert (await api.patch(f"/providers/{made['id']}", {"is_active": False}))["has_api_key"] is True
    assert (await api.patch(f"/providers/{made['id']}", {"api_key": None}))["has_api_key"] is False


async def test_a_service_without_a_secret_key_takes_no_provider_key(settings: Settings) -> None:
    async with serve_api(settings.model_copy(update={"secret_key": None})) as api:
        body = {"name": "p", "type": "openai", "api_key": "k"}
        assert (await api.post("/providers", body, status=422))["code"] == "secret_key_missing"


async def test_prices_are_decimal_strings_and_unknown_is_null(api: ServedApi) -> None:
    body = {"name": "p", "type": "openai", "input_price_per_mtok": "0.1500", "output_price_per_mtok": 0.6}
    made = await api.post("/providers", body, status=201)
    assert (made["input_price_per_mtok"], made["output_price_per_mtok"]) == ("0.15", "0.6")
    changed = await api.patch(f"/providers/{made['id']}", {"input_price_per_mtok": None})
    assert (changed["input_price_per_mtok"], changed["output_price_per_mtok"]) == (None, "0.6")
    for price in ("-1", "NaN", "1e99", "much"):
        await api.patch(f"/providers/{made['id']}", {"input_price_per_mtok": price}, status=422)


async def test_an_address_must_be_http_and_hold_no_secret(api: ServedApi) -> None:
    for address in BAD_ADDRESSES:
        refused = await api.post("/providers", {"name": "p", "type": "openai", "base_url": address}, status=422)
        assert [error["field"] for error in refused["errors"]] == ["base_url"], address


async def test_a_private_address_is_refused_where_only_public_ones_are_allowed(settings: Settings) -> None:
    async with serve_api(settings.model_copy(update={"allow_private_targets": False})) as api:
        for host in PRIVATE_HOSTS:
            body = {"name": "p", "type": "openai", "base_url": f"http://{host}/v1"}
            refused = await api.post("/providers", body, status=422)
            errors = [(error["field"], error["code"]) for error in refused["errors"]]
            assert errors == [("base_url", "private_target")], host


async def test_public_addresses_are_taken_everywhere_and_private_ones_where_allowed(settings: Settings) -> None:
    async with serve_api(settings.model_copy(update={"allow_private_targets": False})) as api:
        public = {"name": "public", "type": "openai", "base_url": "https://models.example.com/v1"}
        made = await api.post("/providers", public, status=201)
        await api.patch(f"/providers/{made['id']}", {"base_url": "http://127.0.0.1/v1"}, status=422)
    async with serve_api(settings) as api:
        private = {"name": "private", "type": "openai", "base_url": "http://127.0.0.1:9/v1"}
        await api.post("/providers", private, status=201)


async def test_a_new_connection_makes_the_old_validation_worthless(api: ServedApi, database: Database) -> None:
    made = await api.post("/providers", {"name": "p", "type": "openai"}, status=201)
    async with database.transaction() as session:
        row = await session.get_one(LLMProvider, UUID(made["id"]))
        row.validation_status = "connected"
    assert (await api.patch(f"/providers/{made['id']}", {"is_active": False}))["validation_status"] == "connected"
    changed = await api.patch(f"/providers/{made['id']}", {"base_url": "http://127.0.0.1:9/v1"})
    assert changed["validation_status"] == "pending"


async def test_an_agent_needs_a_provider_that_is_there(api: ServedApi) -> None:
    body = {"name": "a", "provider_id": str(new_id()), "model_name": "m"}
    assert (await api.post("/agents", body, status=400))["code"] == "unknown_provider"
    agent = await make_agent(api)
    assert (await api.get(f"/agents/{agent['id']}"))["name"] == "finder"
    patch = {"provider_id": str(new_id())}
    assert (await api.patch(f"/agents/{agent['id']}", patch, status=400))["code"] == "unknown_provider"


async def test_an_agent_s_settings_stay_within_what_models_take(api: ServedApi) -> None:
    agent = await make_agent(api)
    for patch in ({"temperature": 2.1}, {"max_tokens": 0}, {"max_tokens": 2**40}, {"model_name": ""}):
        await api.patch(f"/agents/{agent['id']}", patch, status=422)
    changed = await api.patch(f"/agents/{agent['id']}", {"temperature": 0.5, "max_tokens": 100})
    assert (changed["temperature"], changed["max_tokens"]) == (0.5, 100)
    assert (await api.patch(f"/agents/{agent['id']}", {"temperature": None}))["temperature"] is None


async def test_a_provider_that_an_agent_uses_can_not_be_removed(api: ServedApi) -> None:
    agent = await make_agent(api)
    assert (await api.delete(f"/providers/{agent['provider_id']}", status=409))["code"] == "in_use"
    await api.delete(f"/agents/{agent['id']}")
    await api.delete(f"/providers/{agent['provider_id']}")


async def test_an_agent_is_given_task_configurations(api: ServedApi) -> None:
    agent = await make_agent(api)
    task = await api.post("/task-configs", {"name": "t"}, status=201)
    path = f"/agents/{agent['id']}/tasks"
    given = await api.post(path, {"task_id": task["id"]}, status=201)
    assert (given["agent_id"], given["task_id"], given["is_active"]) == (agent["id"], task["id"], True)
    assert (given["agent_name"], given["task_name"], given["provider_type"]) == ("finder", "t", "offline")
    assert (await api.get(path))["items"] == (await api.get("/assignments"))["items"] == [given]
    assert (await api.post(path, {"task_id": task["id"]}, status=409))["code"] == "duplicate_assignment"
    assert (await api.delete(f"/task-configs/{task['id']}", status=409))["code"] == "in_use"
    await api.delete(f"{path}/{task['id']}")
    assert (await api.get(path))["total"] == 0
    assert (await api.delete(f"{path}/{task['id']}", status=404))["code"] == "assignment_not_found"


async def test_an_assignment_names_what_is_missing(api: ServedApi) -> None:
    agent = await make_agent(api)
    unknown = {"task_id": str(new_id())}
    assert (await api.post(f"/agents/{agent['id']}/tasks", unknown, status=400))["code"] == "unknown_task_config"
    assert (await api.post(f"/agents/{new_id()}/tasks", unknown, status=404))["code"] == "agent_not_found"
    assert (await api.get(f"/agents/{new_id()}/tasks", status=404))["code"] == "agent_not_found"


async def test_an_assignment_is_active_while_every_part_of_it_is(api: ServedApi) -> None:
    agent = await make_agent(api)
    task = await api.post("/task-configs", {"name": "t"}, status=201)
    await api.post(f"/agents/{agent['id']}/tasks", {"task_id": task["id"]}, status=201)
    parts = (
        f"/agents/{agent['id']}",
        f"/task-configs/{task['id']}",
        f"/providers/{agent['provider_id']}",
        f"/agents/{agent['id']}/tasks/{task['id']}",
    )
    for part in parts:
        await api.patch(part, {"is_active": False})
        assert (await api.get("/assignments", active_only=True))["total"] == 0
        assert (await api.get("/assignments"))["total"] == 1
        await api.patch(part, {"is_active": True})
    assert (await api.get("/assignments", active_only=True))["total"] == 1


async def test_a_project_approves_by_itself_only_by_a_rule_that_makes_sense(api: ServedApi) -> None:
    made = await api.post("/projects", {"name": "p"}, status=201)
    path = f"/projects/{made['id']}"
    assert made["auto_approve"] is None
    ruled = await api.patch(path, {"auto_approve": {"min_confidence": 0.9}})
    assert ruled["auto_approve"] == {"min_confidence": 0.9, "max_similarity": 0.5}
    assert ruled["version"] == made["version"]
    for rule in ({}, {"min_confidence": 1.1}, {"min_confidence": 0.9, "max_similarity": -1}, {"confidence": 1}, True):
        await api.patch(path, {"auto_approve": rule}, status=422)
    assert (await api.patch(path, {"auto_approve": None}))["auto_approve"] is None


async def test_a_project_s_version_rises_with_what_a_run_sees_of_it(api: ServedApi) -> None:
    made = await api.post("/projects", {"name": "p", "keywords": ["pay"]}, status=201)
    assert made["version"] == "1.0.0"
    path = f"/projects/{made['id']}"
    assert (await api.patch(path, {"description": "new", "keywords": ["pay"]}))["version"] == "1.0.0"
    assert (await api.patch(path, {"keywords": ["pay", "refund"]}))["version"] == "1.1.0"
    assert (await api.patch(path, {"glossary": {"PSP": "provider"}}))["version"] == "1.2.0"
    assert (await api.patch(path, {"priority_rules": {"critical_keywords": ["down"]}}))["version"] == "1.3.0"
    changed = await api.patch(path, {"components": ["cart", {"name": "till", "keywords": ["cash"]}]})
    assert changed["version"] == "1.4.0"
    assert changed["components"] == [{"name": "cart", "keywords": []}, {"name": "till", "keywords": ["cash"]}]


async def test_a_source_with_messages_can_not_be_removed(api: ServedApi) -> None:
    message = {
        "source": "s", "channel": "c", "external_id": "1", "author": "a",
        "sent_at": "2026-03-10T09:00:00Z", "content": "hello",
    }  # fmt: skip
    await api.post("/messages", {"messages": [message]})
    source = (await api.get("/sources"))["items"][0]
    assert (source["name"], source["type"]) == ("s", "api")
    assert (await api.delete(f"/sources/{source['id']}", status=409))["code"] == "in_use"
