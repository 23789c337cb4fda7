"""Edits, merges, undoing and bulks over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from db import keys
from db.engine import Database
from models.run import AnalysisRun
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.builders import add_project, add_proposals, add_run, run_of

Statuses = Callable[[], Awaitable[list[str]]]

BAD_CHANGES: tuple[dict[str, Any], ...] = (
    {"proposed_title": ""},
    {"proposed_title": "x" * 201},
    {"proposed_title": None},
    {"proposed_title": "a\0b"},
    {"proposed_priority": "urgent"},
    {"proposed_category": "epic"},
    {"proposed_tags": ["x"] * 51},
    {"proposed_tags": "x"},
    {"due_date": "tomorrow"},
    {"status": "approved"},
    {"confidence": 1},
)
BAD_BULKS: tuple[dict[str, Any], ...] = (
    {},
    {"action": "approve"},
    {"action": "approve", "ids": []},
    {"action": "approve", "filter": {}},
    {"action": "approve", "filter": {"colour": "red"}},
    {"action": "approve", "filter": {"status": "pending"}, "ids": [str(uuid4())]},
    {"action": "approve", "ids": ["x"]},
    {"action": "approve", "ids": [str(uuid4())], "reason": "other"},
    {"action": "reject", "ids": [str(uuid4())]},
    {"action": "reject", "ids": [str(uuid4())], "reason": "bad mood"},
    {"action": "merge", "ids": [str(uuid4())]},
    {"action": "reopen", "ids": [str(uuid4())], "target_task_id": str(uuid4())},
    {"action": "delete", "ids": [str(uuid4())]},
)


@pytest.fixture
async def run(database: Database) -> AnalysisRun:
    return await add_run(database, status="completed")


@pytest.fixture
async def ids(database: Database, run: AnalysisRun) -> list[str]:
    """Three pending proposals of the run."""
    return [str(proposal_id) for proposal_id in await add_proposals(database, run.id, 3)]


@pytest.fixture
def statuses(api: ServedApi, ids: list[str]) -> Statuses:
    async def read() -> list[str]:
        return [(await api.get(f"/proposals/{proposal_id}"))["status"] for proposal_id in ids]

    return read


@pytest.mark.parametrize("tag", ["1", '"1"'])
async def test_an_edit_names_the_version_that_it_saw_bare_or_quoted(api: ServedApi, ids: list[str], tag: str) -> None:
    path = f"/proposals/{ids[0]}"
    changes = {"proposed_title": " Fix it ", "proposed_priority": "high", "due_date": "2026-04-01"}
    edited = await api.patch_version(path, changes, tag)
    assert (edited["proposed_title"], edited["proposed_priority"], edited["due_date"]) == (
        "Fix it",
        "high",
        "2026-04-01",
    )
    assert (edited["version"], edited["status"]) == (2, "pending")
    reply = await api.http.get(path)
    assert reply.headers["ETag"] == '"2"'
    cleared = await api.patch_version(path, {"due_date": None}, reply.headers["ETag"])
    assert (cleared["due_date"], cleared["version"]) == (None, 3)


async def test_an_edit_of_another_version_changes_nothing(api: ServedApi, ids: list[str]) -> None:
    path = f"/proposals/{ids[0]}"
    for tag in ("2", "0", "-1", "*", "W/1", 'W/"1"', '"abc"', "1, 2", "9" * 30):
        refused = await api.patch_version(path, {"proposed_title": "x"}, tag, status=412)
        assert (refused["code"], refused["version"]) == ("version_conflict", 1)
    assert (await api.get(path))["proposed_title"] != "x"


async def test_an_edit_without_a_version_is_428(api: ServedApi, ids: list[str]) -> None:
    refused = await api.patch(f"/proposals/{ids[0]}", {"proposed_title": "x"}, status=428)
    assert refused["code"] == "version_required"


async def test_what_was_decided_is_not_edited(api: ServedApi, ids: list[str]) -> None:
    path = f"/proposals/{ids[0]}"
    await api.post(f"{path}/approve")
    for version in ("1", "2"):
        refused = await api.patch_version(path, {"proposed_title": "x"}, version, status=409)
        assert refused["code"] == "already_reviewed"
    missing = await api.patch_version(f"/proposals/{uuid4()}", {"proposed_title": "x"}, "1", status=404)
    assert missing["code"] == "proposal_not_found"


async def test_a_value_that_a_proposal_can_not_have_is_422(api: ServedApi, ids: list[str]) -> None:
    for changes in BAD_CHANGES:
        await api.patch_version(f"/proposals/{ids[0]}", changes, "1", status=422)
    assert (await api.get(f"/proposals/{ids[0]}"))["version"] == 1


async def test_a_proposal_is_moved_only_to_a_project_that_is_there(
    api: ServedApi, ids: list[str], database: Database
) -> None:
    project, path = await add_project(database), f"/proposals/{ids[0]}"
    moved = await api.patch_version(path, {"project_config_id": str(project)}, "1")
    assert moved["project_config_id"] == str(project)
    refused = await api.patch_version(path, {"project_config_id": str(uuid4())}, "2", status=400)
    assert refused["code"] == "unknown_project"


async def test_decisions_too_are_refused_for_a_version_that_is_gone(api: ServedApi, ids: list[str]) -> None:
    path = f"/proposals/{ids[0]}"
    await api.patch_version(path, {"proposed_title": "Fix it"}, "1")
    await api.post(f"{path}/approve", status=412, **{"If-Match": "1"})
    await api.post(f"{path}/reject", {"reason": "other"}, status=412, **{"If-Match": "1"})
    await api.post(f"{path}/merge", {"target_proposal_id": ids[1]}, status=412, **{"If-Match": "1"})
    await api.post(f"{path}/approve", status=200, **{"If-Match": "2"})
    await api.post(f"{path}/reopen", status=412, **{"If-Match": "2"})


async def test_a_merge_is_into_one_thing(api: ServedApi, ids: list[str]) -> None:
    path = f"/proposals/{ids[0]}/merge"
    task_id = (await api.post(f"/proposals/{ids[1]}/approve"))["task_id"]
    for body in ({}, {"target_task_id": task_id, "target_proposal_id": ids[1]}, {"target_task_id": "x"}):
        assert (await api.post(path, body, status=422))["code"] == "validation_error"
    assert (await api.post(path, {"target_proposal_id": ids[0]}, status=422))["code"] == "merge_target_invalid"
    assert (await api.post(path, {"target_task_id": str(uuid4())}, status=404))["code"] == "merge_target_not_found"
    merged = await api.post(path, {"target_task_id": task_id, "notes": "the same bug"})
    assert (merged["status"], merged["review_action"], merged["task_id"]) == ("merged", "merge", task_id)
    assert (merged["review_notes"], merged["reviewed_by"]) == ("the same bug", "local")
    assert (await api.get(f"/tasks/{task_id}"))["incident_count"] == 2


async def test_an_undone_decision_can_be_taken_again(
    api: ServedApi, ids: list[str], run: AnalysisRun, database: Database
) -> None:
    path = f"/proposals/{ids[0]}"
    task_id = (await api.post(f"{path}/approve"))["task_id"]
    await api.post("/proposals/bulk", {"action": "reject", "ids": ids[1:], "reason": "other"})
    assert (await run_of(database, run.id)).status == "reviewed"
    undone = await api.post(f"{path}/reopen")
    assert (undone["status"], undone["task_id"], undone["review_action"]) == ("pending", None, None)
    assert (await api.get(f"/tasks/{task_id}"))["status"] == "withdrawn"
    assert (await run_of(database, run.id)).status == "completed"
    assert (await api.post(f"{path}/reopen", status=409))["code"] == "not_reviewed"
    assert (await api.post(f"{path}/approve"))["task_id"] == task_id
    assert (await run_of(database, run.id)).status == "reviewed"


async def test_a_bulk_does_what_it_can_and_says_what_it_can_not(
    api: ServedApi, ids: list[str], statuses: Statuses
) -> None:
    await api.post(f"/proposals/{ids[1]}/approve")
    unknown = str(uuid4())
    rejected = await api.post(
        "/proposals/bulk", {"action": "reject", "ids": [*ids, unknown, ids[0]], "reason": "not_a_task"}
    )
    assert rejected == {
        "matched": 4,
        "done": 2,
        "failed": [{"id": ids[1], "code": "already_reviewed"}, {"id": unknown, "code": "proposal_not_found"}],
    }
    assert await statuses() == ["rejected", "approved", "rejected"]
    undone = await api.post("/proposals/bulk", {"action": "reopen", "ids": ids})
    assert undone == {"matched": 3, "done": 3, "failed": []}
    assert await statuses() == ["pending"] * 3


async def test_a_dry_run_says_what_would_be_refused_and_changes_nothing(
    api: ServedApi, ids: list[str], statuses: Statuses, run: AnalysisRun, database: Database
) -> None:
    await api.post(f"/proposals/{ids[0]}/approve")
    before = await run_of(database, run.id)
    dry = await api.post("/proposals/bulk", {"action": "approve", "ids": ids, "dry_run": True})
    assert dry == {"matched": 3, "done": 0, "failed": [{"id": ids[0], "code": "already_reviewed"}]}
    assert await statuses() == ["approved", "pending", "pending"]
    assert (await run_of(database, run.id)).model_dump() == before.model_dump()
    assert (await api.get("/tasks"))["total"] == 1


async def test_a_filter_finds_those_that_the_action_can_be_taken_on(api: ServedApi, database: Database) -> None:
    run, other = await add_run(database, status="completed"), await add_run(database, status="completed", day=1)
    for confidence in (0.2, 0.5, 0.95):
        await add_proposals(database, run.id, confidence=confidence)
    await add_proposals(database, other.id, confidence=0.1)

    async def bulk(action: str, **more: Any) -> int:
        reply = await api.post("/proposals/bulk", {"action": action, **more})
        assert reply["failed"] == []
        done: int = reply["done"]
        return done

    of_run = {"run_id": str(run.id)}
    assert await bulk("approve", filter={**of_run, "min_confidence": 0.9}) == 1
    assert await bulk("reject", filter={**of_run, "max_confidence": 0.5}, reason="not_a_task") == 2
    assert (await run_of(database, run.id)).status == "reviewed"
    assert await bulk("reopen", filter={**of_run, "status": "rejected"}) == 2
    assert await bulk("reopen", filter={**of_run, "reviewed_by": "system"}) == 0
    assert await bulk("reopen", filter={**of_run, "reviewed_by": "local"}) == 1
    [target] = [str(one) for one in await add_proposals(database, other.id)]
    assert await bulk("merge", filter={**of_run, "category": "feature"}, target_proposal_id=target) == 3
    assert len((await api.get(f"/proposals/{target}"))["source_message_ids"]) == 4


async def test_a_bulk_that_makes_no_sense_is_422(api: ServedApi) -> None:
    for body in BAD_BULKS:
        await api.post("/proposals/bulk", body, status=422)


async def test_decisions_need_a_key_that_may_review_and_are_signed_with_its_name(
    settings: Settings, database: Database, ids: list[str]
) -> None:
    required = settings.model_copy(update={"auth": "required"})
    async with database.transaction() as session:
        reader = (await keys.create(session, "watcher", ["read"])).secret
        reviewer = await keys.create(session, "pm", ["review"])
    path = f"/proposals/{ids[0]}"
    async with serve_api(required, key=reader) as api:
        for action in ("approve", "reopen"):
            await api.post(f"{path}/{action}", status=403)
        await api.post("/proposals/bulk", {"action": "approve", "ids": ids}, status=403)
        await api.patch_version(path, {"proposed_title": "x"}, "1", status=403)
        await api.patch_version(f"/tasks/{uuid4()}", {"title": "x"}, "1", status=403)
    async with serve_api(required, key=reviewer.secret) as api:
        assert (await api.post(f"{path}/approve"))["reviewed_by"] == "pm"
        [entry] = (await api.get("/audit", entity_id=ids[0]))["items"]
    assert (entry["actor_kind"], entry["actor_name"]) == ("key", "pm")
    assert UUID(entry["actor_id"]) == reviewer.row.id
