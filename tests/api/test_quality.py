"""`GET /stats/quality`: always what the rows say."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.engine import Database
from models.run import AnalysisRun
from tests.support.api import ServedApi
from tests.support.builders import add_batches, add_project, add_proposals, add_run


async def execute(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement), values)


@pytest.fixture
async def run(database: Database) -> AnalysisRun:
    return await add_run(database, status="completed")


async def found(api: ServedApi, database: Database, run: AnalysisRun, decision: str | None, **values: Any) -> UUID:
    """A proposal with these values, and the decision about it."""
    [proposal_id] = await add_proposals(database, run.id, **values)
    if decision == "approve":
        await api.post(f"/proposals/{proposal_id}/approve")
    elif decision is not None:
        await api.post(f"/proposals/{proposal_id}/reject", {"reason": decision})
    return proposal_id


async def test_nothing_yet_is_no_error(api: ServedApi) -> None:
    quality = await api.get("/stats/quality")
    assert quality["overall"]["proposals"] == 0
    assert quality["overall"]["approval_rate"] is None
    assert [row["proposals"] for row in quality["by_confidence"]] == [0] * 5
    assert (quality["by_model"], quality["reject_reasons"], quality["edits"]) == ([], {}, {})
    assert quality["costs"] == {"cost_usd": "0", "approved_tasks": 0, "cost_per_approved_task": None}


async def test_decisions_are_told_by_all_that_may_explain_them(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    web = await add_project(database, name="Web")
    await found(api, database, run, "approve", confidence=0.95, project_config_id=web, proposed_category="bug")
    await found(api, database, run, "approve", confidence=1.0, prompt_version="2")
    await found(api, database, run, "not_a_task", confidence=0.4, model="other-model")
    await found(api, database, run, "not_a_task", confidence=0.6)
    await found(api, database, run, "already_done", confidence=0.92)
    await found(api, database, run, None, confidence=0.7)
    quality = await api.get("/stats/quality")
    overall = quality["overall"]
    assert (overall["proposals"], overall["pending"], overall["approved"], overall["rejected"]) == (6, 1, 2, 3)
    assert overall["approval_rate"] == 0.4
    bands = {row["band"]: (row["proposals"], row["approved"]) for row in quality["by_confidence"]}
    assert bands == {"0.0-0.5": (1, 0), "0.5-0.7": (1, 0), "0.7-0.8": (1, 0), "0.8-0.9": (0, 0), "0.9-1.0": (3, 2)}
    assert [(row["model"], row["proposals"]) for row in quality["by_model"]] == [("other-model", 1), ("rules-1", 5)]
    assert [(row["prompt_version"], row["proposals"]) for row in quality["by_prompt_version"]] == [("1", 5), ("2", 1)]
    assert [(row["project"], row["approved"]) for row in quality["by_project"]] == [(None, 1), ("Web", 1)]
    assert {row["category"]: row["proposals"] for row in quality["by_category"]} == {"bug": 1, "feature": 5}
    assert list(quality["reject_reasons"].items()) == [("not_a_task", 2), ("already_done", 1)]
    assert sum(row["proposals"] for row in quality["over_time"]) == 6


async def test_a_rule_is_no_judge_of_itself(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    for decision in ("approve", "approve", "approve", "other"):
        await found(api, database, run, decision, confidence=0.95)
    first = "SELECT min(id::text)::uuid FROM task_proposals"
    await execute(database, f"UPDATE task_proposals SET reviewed_by = 'system' WHERE id = ({first})")
    quality = await api.get("/stats/quality")
    for rates in (quality["overall"], quality["by_confidence"][-1]):
        assert (rates["approved"], rates["auto_approved"], rates["approval_rate"]) == (3, 1, 0.666667)


async def test_only_what_is_asked_for_is_counted(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    web = await add_project(database, name="Web")
    await found(api, database, run, "approve", project_config_id=web)
    old = await found(api, database, run, "other")
    await execute(database, "UPDATE task_proposals SET created_at = '2026-02-03T10:00:00Z' WHERE id = :id", id=old)
    february: dict[str, Any] = {"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    of_old = await api.get("/stats/quality", **february, period="month")
    assert (of_old["overall"]["proposals"], of_old["reject_reasons"]) == (1, {"other": 1})
    assert [row["start"] for row in of_old["over_time"]] == ["2026-02-01T00:00:00Z"]
    [day] = (await api.get("/stats/quality", **february, period="day"))["over_time"]
    assert day["start"] == "2026-02-03T00:00:00Z"
    of_web = await api.get("/stats/quality", project_config_id=str(web))
    assert (of_web["overall"]["proposals"], of_web["overall"]["approval_rate"]) == (1, 1.0)
    assert (await api.get("/stats/quality", model="nobody"))["overall"]["proposals"] == 0


async def test_what_reviewers_edit_is_counted_by_field(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    for changes in ({"proposed_assignee": "dana", "proposed_title": "Fix it"}, {"proposed_assignee": "lee"}):
        proposal_id = await found(api, database, run, None)
        await api.patch_version(f"/proposals/{proposal_id}", changes, 1)
    quality = await api.get("/stats/quality")
    assert list(quality["edits"].items()) == [("proposed_assignee", 2), ("proposed_title", 1)]
    assert quality["overall"]["edited"] == 2


async def test_an_approved_task_costs_its_share_of_all_calls(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    await add_batches(database, run.id, "completed", "completed", "completed", "completed")
    await execute(database, "UPDATE analysis_batches SET llm_requests = 1, cost_usd = 0.05")
    for decision in ("approve", "approve", "other"):
        await found(api, database, run, decision)
    costs = (await api.get("/stats/quality"))["costs"]
    assert costs == {"cost_usd": "0.2", "approved_tasks": 2, "cost_per_approved_task": "0.1"}
    await execute(database, "UPDATE analysis_batches SET cost_usd = NULL WHERE batch_no = 1")
    assert (await api.get("/stats/quality"))["costs"]["cost_per_approved_task"] is None


async def test_what_repeats_others_is_not_counted(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    repeat = await found(api, database, run, None)
    await execute(
        database,
        "UPDATE task_proposals SET status = 'suppressed', suppressed_reason = 'known_task' WHERE id = :id",
        id=repeat,
    )
    assert (await api.get("/stats/quality"))["overall"]["proposals"] == 0


async def test_wrong_counters_change_nothing(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    await found(api, database, run, "approve")
    right = await api.get("/stats/quality")
    await execute(database, "UPDATE analysis_runs SET proposals_approved = 0, proposals_rejected = 1")
    assert await api.get("/stats/quality") == right


@pytest.mark.parametrize(
    "query",
    [{"from": "2026-02-01T00:00:00"}, {"period": "year"}, {"from": "2026-02-02T00:00Z", "to": "2026-02-01T00:00Z"}],
)
async def test_a_wrong_question_is_a_problem(api: ServedApi, query: dict[str, Any]) -> None:
    await api.get("/stats/quality", status=422, **query)
