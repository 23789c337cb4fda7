"""The audit over HTTP."""

from typing import Any
from uuid import uuid4

from db.engine import Database
from tests.support.api import ServedApi
from tests.support.builders import add_run


async def told(api: ServedApi, **wanted: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await api.get("/audit", **wanted))["items"]
    return items


async def test_the_life_of_a_provider_is_told_and_its_key_never(api: ServedApi) -> None:
    body = {"name": "ours", "type": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": "sk-very-secret"}
    provider = (await api.post("/providers", body, status=201))["id"]
    await api.patch(f"/providers/{provider}", {"api_key": "sk-other-secret"})
    await api.patch(f"/providers/{provider}", {"api_key": None, "max_concurrency": 4})
    await api.patch(f"/providers/{provider}", {"max_concurrency": 4})
    await api.delete(f"/providers/{provider}")
    reply = await api.http.get("/audit", params={"entity_id": provider})
    assert "secret" not in reply.text
    entries = reply.json()["items"][::-1]
    assert [entry["action"] for entry in entries] == ["create", "edit", "edit", "delete"]
    assert {(entry["entity_type"], entry["actor_kind"], entry["actor_id"]) for entry in entries} == {
        ("provider", "user", "local")
    }
    assert (entries[0]["before"], entries[0]["after"]["api_key"]) == (None, "set")
    assert (entries[1]["before"]["api_key"], entries[1]["after"]["api_key"]) == ("set", "replaced")
    assert (entries[2]["before"]["api_key"], entries[2]["after"]["api_key"]) == ("set", "none")
    assert (entries[2]["before"]["max_concurrency"], entries[2]["after"]["max_concurrency"]) == (None, 4)
    assert (entries[3]["before"]["name"], entries[3]["after"]) == ("ours", None)


async def test_all_of_the_configuration_is_told(api: ServedApi) -> None:
    provider = (await api.post("/providers", {"name": "p", "type": "offline"}, status=201))["id"]
    body = {"name": "finder", "provider_id": provider, "model_name": "rules-1"}
    agent = (await api.post("/agents", body, status=201))["id"]
    task = (await api.post("/task-configs", {"name": "find"}, status=201))["id"]
    assignment = (await api.post(f"/agents/{agent}/tasks", {"task_id": task}, status=201))["id"]
    await api.patch(f"/agents/{agent}/tasks/{task}", {"is_active": False})
    await api.patch(f"/agents/{agent}/tasks/{task}", {"is_active": False})
    await api.delete(f"/agents/{agent}/tasks/{task}")
    made = {"agent": agent, "task_config": task, "provider": provider}
    made["project"] = (await api.post("/projects", {"name": "shop", "keywords": ["cart"]}, status=201))["id"]
    made["source"] = (await api.post("/sources", {"name": "chat"}, status=201))["id"]
    for kind, entity_id in made.items():
        [entry] = await told(api, entity_type=kind)
        assert (entry["entity_id"], entry["action"]) == (entity_id, "create")
    switched = await told(api, entity_id=assignment)
    assert [entry["action"] for entry in switched] == ["delete", "edit", "create"]
    assert (switched[1]["before"], switched[1]["after"]) == ({"is_active": True}, {"is_active": False})


async def test_what_was_refused_is_not_told(api: ServedApi) -> None:
    await api.post("/projects", {"name": "shop"}, status=201)
    await api.post("/projects", {"name": "shop"}, status=409)
    await api.patch(f"/projects/{uuid4()}", {"name": "x"}, status=404)
    assert len(await told(api, entity_type="project")) == 1


async def test_a_run_is_told_with_whoever_made_it(api: ServedApi, database: Database) -> None:
    run = await add_run(database)
    await api.post(f"/analysis/runs/{run.id}/cancel", status=202)
    cancelled, created = await told(api, entity_id=str(run.id))
    assert (created["action"], created["actor_kind"], created["before"]) == ("create", "system", None)
    assert (cancelled["action"], cancelled["actor_name"]) == ("cancel", "local")
    assert cancelled["before"]["status"] == "pending"
    assert cancelled["after"]["status"] == "cancelled"


async def test_the_audit_is_read_page_by_page_and_by_time(api: ServedApi) -> None:
    for name in ("a", "b", "c"):
        await api.post("/projects", {"name": name}, status=201)
    page = await api.get("/audit", limit=2)
    assert ([entry["after"]["name"] for entry in page["items"]], page["total"]) == (["c", "b"], 3)
    [oldest] = (await api.get("/audit", limit=2, cursor=page["next_cursor"]))["items"]
    assert oldest["after"]["name"] == "a"
    moment = page["items"][1]["at"]
    assert [entry["after"]["name"] for entry in await told(api, **{"from": moment})] == ["c", "b"]
    assert [entry["after"]["name"] for entry in await told(api, to=moment)] == ["a"]
    assert await told(api, actor="local", action="create", entity_type="project")
    assert await told(api, actor=str(uuid4())) == []
    for wanted in ({"entity_type": "planet"}, {"entity_id": "x"}, {"from": "2026-03-10T00:00:00"}, {"cursor": "x"}):
        reply = await api.http.get("/audit", params=wanted)
        assert reply.status_code == 422, wanted
