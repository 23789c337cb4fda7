"""The guide's story, step by step, on the running service with plain requests and a plain WebSocket.

`docs/guide.md` names the test beside each of its lines.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import websockets

from tests.guide.runs import offline_assignment
from tests.support.service import Service

WINDOW = {"time_window_start": "2025-10-09T00:00:00Z", "time_window_end": "2025-10-10T23:59:59Z"}
LINES = (
    ("alice", "Can you fix the login redirect on checkout, @bob? It sends people to a blank page."),
    ("bob", "Sure, I'll fix the login redirect today."),
    ("carol", "I'll update the onboarding guide by Friday."),
    ("alice", "ok"),
)


@dataclass
class Story:
    """One run from creation to completion, and everything that was seen of it."""

    created: dict[str, Any] = field(default_factory=dict)
    started: dict[str, Any] = field(default_factory=dict)
    completed: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
async def story(service: Service) -> Story:
    """Messages in, run created and started, watched by a plain WebSocket that asks for nothing."""
    messages = [
        {
            "source": "guide",
            "channel": "dev",
            "external_id": str(number),
            "author": author,
            "sent_at": f"2025-10-09T10:0{number}:00Z",
            "content": text,
        }
        for number, (author, text) in enumerate(LINES)
    ]
    stored = await service.post("/messages", {"messages": messages})
    assert (stored["inserted"], stored["rejected"]) == (len(LINES), [])
    assignment = await offline_assignment(service)
    told = Story()
    async with websockets.connect(service.socket_url, proxy=None) as socket:
        body = {**WINDOW, "agent_assignment_id": assignment, "trigger_type": "manual"}
        told.created = await service.post("/analysis/runs", body, status=201)
        told.started = await service.post(f"/analysis/runs/{told.created['id']}/start")
        while not told.events or told.events[-1]["event"] != "run_completed":
            told.events.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
    told.completed = await service.get(f"/analysis/runs/{told.created['id']}")
    return told


async def test_step_1_a_created_run_is_pending(story: Story) -> None:
    assert story.created["status"] == "pending"
    assert story.created["time_window_start"] == WINDOW["time_window_start"]
    assert story.created["id"] == story.completed["id"]


async def test_step_2_a_start_answers_started_with_the_run(story: Story) -> None:
    assert story.started == {
        "status": "started",
        "run_id": story.created["id"],
        "message": "Analysis run job triggered successfully",
    }


async def test_step_3_the_worker_logs_every_step_with_the_run(service: Service, story: Story) -> None:
    lines = [line for line in service.log("worker").splitlines() if story.created["id"] in line]
    batches = story.completed["batches_created"]
    proposals = story.completed["proposals_total"]
    expected = (
        "Starting analysis run execution",
        "Starting run",
        "Fetching messages",
        "Found 4 messages in window",
        "Pre-filtering messages",
        "3 messages after pre-filter",
        "Creating batches",
        f"Created {batches} batches",
        f"Processing batch 1/{batches} (3 messages)",
        f"Generated {proposals} proposals from batch",
        f"Saved {proposals} proposals",
        f"Batch 1 completed, created {proposals} proposals",
        "Successfully completed",
    )
    places = [next(at for at, line in enumerate(lines) if text in line) for text in expected]
    assert places == sorted(places)


async def test_no_message_text_is_in_any_log(service: Service, story: Story) -> None:
    for part in ("worker", "api"):
        assert "login redirect" not in service.log(part)


async def test_step_3_the_database_shows_the_completed_run(service: Service, story: Story) -> None:
    connection = await asyncpg.connect(service.stack["postgres"])
    try:
        row = await connection.fetchrow(
            """
            SELECT
                id,
                status,
                started_at,
                completed_at,
                proposals_total,
                proposals_pending,
                batches_created
            FROM analysis_runs
            WHERE id = $1
            """,
            story.created["id"],
        )
    finally:
        await connection.close()
    assert row is not None
    assert row["status"] == "completed"
    assert row["started_at"] < row["completed_at"]
    assert row["proposals_total"] == row["proposals_pending"] > 0
    assert row["batches_created"] > 0


async def test_step_4_a_plain_websocket_hears_the_events_in_order(story: Story) -> None:
    run_id = story.created["id"]
    names = [event["event"] for event in story.events]
    assert names[:5] == ["run_created", "run_started", "messages_fetched", "messages_prefiltered", "batches_created"]
    assert names[5:-1] == ["progress_updated", "proposals_created"]
    assert names[-1] == "run_completed"
    assert [event["seq"] for event in story.events] == list(range(1, len(names) + 1))
    by_name = {event["event"]: event["data"] for event in story.events}
    assert by_name["run_started"]["id"] == run_id
    assert by_name["run_started"]["status"] == "running"
    assert by_name["progress_updated"] == {
        "run_id": run_id,
        "current_batch": 1,
        "total_batches": 1,
        "progress_percent": 100,
    }
    assert by_name["proposals_created"]["proposals_count"] == story.completed["proposals_total"]
    assert by_name["run_completed"]["status"] == "completed"


async def test_step_5_the_proposals_have_what_the_guide_names(service: Service, story: Story) -> None:
    page = await service.get("/proposals", run_id=story.created["id"])
    assert page["total"] == story.completed["proposals_total"] > 0
    for proposal in page["items"]:
        assert proposal["proposed_title"]
        assert proposal["proposed_description"]
        assert proposal["proposed_priority"] in ("low", "medium", "high", "critical")
        assert 0 <= proposal["confidence"] <= 1
        assert proposal["source_message_ids"]
        assert proposal["llm_recommendation"] == "new_task"
        detail = await service.get(f"/proposals/{proposal['id']}")
        assert {message["id"] for message in detail["messages"]} == set(proposal["source_message_ids"])


async def test_the_run_is_listed_and_shows_its_progress(service: Service, story: Story) -> None:
    runs = await service.get("/analysis/runs", status="completed")
    assert story.created["id"] in [run["id"] for run in runs["items"]]
    progress = await service.get(f"/analysis/runs/{story.created['id']}/progress")
    assert progress["progress_percent"] == 100
    assert progress["messages_in_window"] == 4


async def test_error_1_starting_an_unknown_run_is_404(service: Service) -> None:
    problem = await service.post("/analysis/runs/00000000-0000-0000-0000-000000000000/start", status=404)
    assert problem["code"] == "run_not_found"


async def test_error_2_an_unknown_assignment_is_400_and_leaves_no_run(service: Service, story: Story) -> None:
    before = (await service.get("/analysis/runs"))["total"]
    body = {
        "time_window_start": "2024-01-01T00:00:00Z",
        "time_window_end": "2024-01-02T00:00:00Z",
        "agent_assignment_id": str(uuid4()),
    }
    problem = await service.post("/analysis/runs", body, status=400)
    assert problem["code"] == "unknown_agent_assignment"
    assert (await service.get("/analysis/runs"))["total"] == before


async def test_the_run_closes_when_every_proposal_is_decided(service: Service, story: Story) -> None:
    run_id = story.created["id"]
    refused = await service.post(f"/analysis/runs/{run_id}/close", status=409)
    assert refused["code"] == "proposals_pending"
    assert refused["proposals_pending"] == story.completed["proposals_total"]
    first, *others = (await service.get("/proposals", run_id=run_id))["items"]
    approved = await service.post(f"/proposals/{first['id']}/approve", {"notes": "yes"})
    assert approved["task_id"]
    for other in others:
        await service.post(f"/proposals/{other['id']}/reject", {"reason": "not_a_task"})
    reviewed = await service.get(f"/analysis/runs/{run_id}")
    assert reviewed["status"] == "reviewed"
    closed = await service.post(f"/analysis/runs/{run_id}/close")
    assert closed["status"] == "closed"
    assert closed["accuracy_metrics"]["proposals_approved"] == 1
    again = await service.post(f"/analysis/runs/{run_id}/start", status=409)
    assert again["code"] == "run_not_pending"
