"""Tasks over HTTP: where they come from, and what people make of them."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from db.engine import Database
from models.run import AnalysisRun
from tests.support.api import ServedApi
from tests.support.builders import add_messages, add_project, add_proposals, add_run

BAD_CHANGES: tuple[dict[str, Any], ...] = (
    {"status": "withdrawn"},
    {"status": None},
    {"title": ""},
    {"external_url": "javascript:alert(1)"},
    {"external_url": "https://"},
    {"external_id": "x\0"},
    {"incident_count": 5},
    {"parent_task_id": "x"},
)


@pytest.fixture
async def run(database: Database) -> AnalysisRun:
    return await add_run(database, status="completed")


async def approved(api: ServedApi, database: Database, run: AnalysisRun, **proposal: Any) -> str:
    """The id of a task whose proposal has these values."""
    [proposal_id] = await add_proposals(database, run.id, **proposal)
    task_id: str = (await api.post(f"/proposals/{proposal_id}/approve"))["task_id"]
    return task_id


async def change(api: ServedApi, task_id: str, changes: dict[str, Any], *, status: int = 200) -> Any:
    """Change the task as it now is."""
    version = (await api.get(f"/tasks/{task_id}"))["version"]
    return await api.patch_version(f"/tasks/{task_id}", changes, str(version), status=status)


async def test_a_task_shows_where_it_came_from_and_what_was_merged_into_it(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    first, second, third = await add_messages(database, "the login is broken", "since monday", "login fails again")
    [origin] = await add_proposals(
        database,
        run.id,
        proposed_title="Fix the login",
        source_message_ids=[first, second],
        evidence=[{"message_id": str(first), "quote": "login is broken"}],
        model="gpt-x",
        prompt_version="7",
        confidence=0.9,
    )
    [again] = await add_proposals(database, run.id, source_message_ids=[third], model="gpt-y")
    task_id = (await api.post(f"/proposals/{origin}/approve", {"notes": "seen it"}))["task_id"]
    await api.post(f"/proposals/{again}/merge", {"target_task_id": task_id})
    task = await api.get(f"/tasks/{task_id}")
    assert (task["title"], task["status"], task["incident_count"]) == ("Fix the login", "open", 2)
    provenance = task["provenance"]
    assert (provenance["proposal_id"], provenance["run_id"]) == (str(origin), str(run.id))
    assert (provenance["model"], provenance["prompt_version"], provenance["confidence"]) == ("gpt-x", "7", 0.9)
    assert (provenance["reviewed_by"], provenance["review_notes"]) == ("local", "seen it")
    evidence = provenance["evidence"]
    assert [(item["message_id"], item["quote"]) for item in evidence] == [
        (str(first), "login is broken"),
        (str(second), None),
    ]
    assert evidence[0]["message"]["content"] == "the login is broken"
    message = (await api.http.get(f"{api.url}{evidence[0]['href']}")).json()
    assert (message["id"], message["source"]) == (str(first), "team")
    [merge] = task["merges"]
    assert (merge["proposal_id"], merge["model"]) == (str(again), "gpt-y")
    assert [item["message_id"] for item in merge["evidence"]] == [str(third)]
    assert [entry["action"] for entry in task["history"]] == ["merge", "create"]


async def test_a_task_whose_messages_are_gone_still_says_where_they_were(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    task = await api.get(f"/tasks/{await approved(api, database, run)}")
    [item] = task["provenance"]["evidence"]
    assert item["message"] is None
    assert (await api.http.get(f"{api.url}{item['href']}")).json()["code"] == "message_not_found"


async def test_a_withdrawn_task_comes_from_nowhere_and_can_not_be_changed(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    [proposal_id] = await add_proposals(database, run.id)
    task_id = (await api.post(f"/proposals/{proposal_id}/approve"))["task_id"]
    await api.post(f"/proposals/{proposal_id}/reopen")
    task = await api.get(f"/tasks/{task_id}")
    assert (task["status"], task["provenance"], task["merges"], task["incident_count"]) == ("withdrawn", None, [], 0)
    assert (await change(api, task_id, {"status": "open"}, status=409))["code"] == "task_withdrawn"


async def test_tasks_are_found_by_each_word_newest_first(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    project = str(await add_project(database))
    first = await approved(api, database, run, proposed_title="Fix the login", proposed_assignee="ann")
    second = await approved(api, database, run, proposed_description="100% of LOGINS fail", project_config_id=project)
    third = await approved(api, database, run)
    await change(api, third, {"status": "completed"})

    async def found(**wanted: str) -> list[str]:
        page = (await api.http.get("/tasks", params={"limit": "1", **wanted})).json()
        items, total = page["items"], page["total"]
        while page["next_cursor"]:
            wanted["cursor"] = page["next_cursor"]
            page = (await api.http.get("/tasks", params={"limit": "1", **wanted})).json()
            items += page["items"]
        assert total == len(items)
        return [item["id"] for item in items]

    assert await found() == [third, second, first]
    assert await found(status="completed") == [third]
    assert await found(assignee="ann") == [first]
    assert await found(project_config_id=project) == [second]
    assert await found(q="login") == [second, first]
    assert await found(q="100%") == [second]
    assert await found(q="no such words") == []
    await api.get("/tasks", status=422, limit=0)
    assert (await api.http.get("/tasks", params={"status": "lost"})).status_code == 422


async def test_a_change_of_the_version_that_it_saw_is_part_of_the_history(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    path = f"/tasks/{await approved(api, database, run)}"
    tag = (await api.http.get(path)).headers["ETag"]
    changes = {"status": "in_progress", "assignee": "dana", "tags": ["login"], "due_date": "2026-04-01"}
    changed = await api.patch_version(path, changes, tag)
    assert {name: changed[name] for name in changes} == changes
    stale = await api.patch_version(path, {"title": "x"}, tag, status=412)
    assert (stale["code"], stale["version"]) == ("version_conflict", changed["version"])
    unchanged = await api.patch_version(path, changes, str(changed["version"]))
    assert unchanged == changed
    entry = (await api.get(path))["history"][0]
    assert (entry["action"], entry["actor_kind"], entry["actor_name"]) == ("edit", "user", "local")
    assert entry["before"] == {"status": "open", "assignee": None, "tags": [], "due_date": None}
    assert entry["after"] == changes


async def test_a_change_that_names_no_version_is_one_of_whatever_is_there(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    path = f"/tasks/{await approved(api, database, run)}"
    assert (await api.patch(path, {"title": "x"}))["title"] == "x"
    assert (await api.patch(path, {"status": "in_progress"}))["title"] == "x"


async def test_of_changes_at_one_moment_one_wins(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    path = f"/tasks/{await approved(api, database, run)}"
    calls = [api.http.patch(path, json={"title": f"title {n}"}, headers={"If-Match": "1"}) for n in range(6)]
    replies = await asyncio.gather(*calls)
    assert sorted(reply.status_code for reply in replies) == [200] + [412] * 5


async def test_a_value_that_a_task_can_not_have_is_422(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    task_id = await approved(api, database, run)
    for changes in BAD_CHANGES:
        await change(api, task_id, changes, status=422)


async def test_a_task_that_is_not_there_is_404(api: ServedApi) -> None:
    path = f"/tasks/{uuid4()}"
    assert (await api.get(path, status=404))["code"] == "task_not_found"
    assert (await api.patch_version(path, {"title": "x"}, "1", status=404))["code"] == "task_not_found"


async def test_no_task_is_above_itself(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    top, middle, low = [await approved(api, database, run) for _ in range(3)]
    await change(api, middle, {"parent_task_id": top})
    await change(api, low, {"parent_task_id": middle})
    assert [child["id"] for child in (await api.get(f"/tasks/{top}"))["children"]] == [middle]
    for parent in (top, low):
        refused = await change(api, top, {"parent_task_id": parent}, status=422)
        assert refused["code"] == "parent_cycle"
    refused = await change(api, top, {"parent_task_id": str(uuid4())}, status=400)
    assert refused["code"] == "unknown_parent_task"
    assert (await change(api, low, {"parent_task_id": None}))["parent_task_id"] is None


async def test_two_tasks_put_above_each_other_at_one_moment_make_no_loop(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    for _ in range(5):
        one, other = [await approved(api, database, run) for _ in range(2)]
        calls = [
            api.http.patch(f"/tasks/{task}", json={"parent_task_id": parent}, headers={"If-Match": "1"})
            for task, parent in ((one, other), (other, one))
        ]
        assert sorted(reply.status_code for reply in await asyncio.gather(*calls)) == [200, 422]


async def test_a_task_says_where_a_tracker_has_it(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    link = {"external_system": "linear", "external_id": "ENG-7", "external_url": "https://linear.example/ENG-7"}
    task_id = await approved(api, database, run)
    linked = await change(api, task_id, link)
    assert {name: linked[name] for name in link} == link
