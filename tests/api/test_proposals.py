"""Decisions on proposals over HTTP."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from db.defaults import ensure_offline_assignment
from db.engine import Database
from models.base import now
from models.proposal import TaskProposal
from models.run import AnalysisRun
from tests.support.api import ServedApi


@pytest.fixture
async def proposals(database: Database) -> list[str]:
    """The ids of three pending proposals of a completed run, the surest first."""
    assignment = await ensure_offline_assignment(database)
    run = AnalysisRun(
        status="completed",
        time_window_start=datetime(2025, 1, 1, tzinfo=UTC),
        time_window_end=datetime(2025, 1, 2, tzinfo=UTC),
        agent_assignment_id=assignment,
        proposals_total=3,
        proposals_pending=3,
        completed_at=now(),
    )
    made = [
        TaskProposal(
            run_id=run.id,
            batch_no=1,
            ordinal=ordinal,
            proposed_title=f"Task {ordinal}",
            confidence=confidence,
            source_message_ids=[uuid4()],
            message_count=1,
            model="m",
            prompt_version="1",
        )
        for ordinal, confidence in enumerate((0.9, 0.8, 0.7), start=1)
    ]
    async with database.transaction() as session:
        session.add(run)
        await session.flush()
        session.add_all(made)
    return [str(proposal.id) for proposal in made]


async def _run(api: ServedApi, proposal_id: str) -> dict[str, Any]:
    proposal = await api.get(f"/proposals/{proposal_id}")
    run: dict[str, Any] = await api.get(f"/analysis/runs/{proposal['run_id']}")
    return run


async def test_proposals_come_the_surest_first_and_filtered(api: ServedApi, proposals: list[str]) -> None:
    page = await api.get("/proposals", limit=2)
    assert [item["id"] for item in page["items"]] == proposals[:2]
    rest = await api.get("/proposals", limit=2, cursor=page["next_cursor"])
    assert [item["id"] for item in rest["items"]] == proposals[2:]
    sure = await api.http.get("/proposals", params={"status": "pending", "min_confidence": 0.85})
    assert [item["id"] for item in sure.json()["items"]] == proposals[:1]


async def test_an_approved_proposal_has_a_task_and_its_last_decision_ends_the_review(
    api: ServedApi, proposals: list[str]
) -> None:
    approved = await api.post(f"/proposals/{proposals[0]}/approve")
    assert (approved["status"], approved["review_action"], approved["reviewed_by"]) == ("approved", "approve", "local")
    assert approved["task_id"]
    await api.post(f"/proposals/{proposals[1]}/reject", {"reason": "already_done", "notes": "shipped"})
    assert (await _run(api, proposals[0]))["status"] == "completed"
    await api.post(f"/proposals/{proposals[2]}/approve", {"notes": "good"})
    run = await _run(api, proposals[0])
    assert run["status"] == "reviewed"
    assert (run["proposals_approved"], run["proposals_rejected"], run["proposals_pending"]) == (2, 1, 0)


async def test_of_ten_decisions_at_once_one_counts(api: ServedApi, proposals: list[str]) -> None:
    path = f"/proposals/{proposals[0]}"
    calls = [api.http.post(f"{path}/approve") for _ in range(5)]
    calls += [api.http.post(f"{path}/reject", json={"reason": "other"}) for _ in range(5)]
    replies = await asyncio.gather(*calls)
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 9
    run = await _run(api, proposals[0])
    assert run["proposals_pending"] == 2
    assert run["proposals_approved"] + run["proposals_rejected"] == 1


async def test_a_decision_that_makes_no_sense_changes_nothing(api: ServedApi, proposals: list[str]) -> None:
    path = f"/proposals/{proposals[0]}"
    await api.post(f"{path}/reject", {"reason": "bad mood"}, status=422)
    await api.post(f"{path}/reject", {}, status=422)
    await api.post(f"{path}/approve", {"nonsense": 1}, status=422)
    assert (await api.post(f"/proposals/{uuid4()}/approve", status=404))["code"] == "proposal_not_found"
    assert (await api.get(path))["status"] == "pending"
