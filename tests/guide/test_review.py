"""`gleaner review`: a run's proposals decided in a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.guide.runs import completed_run
from tests.support.service import ROOT, Service, output_of
from tests.support.terminal import gleaner_in_a_terminal

MEETING_LOG = ROOT.parent / "shared" / "data" / "irc-ubuntu-meeting-2010-11.txt"
# The service is shared: a task that another test has in its messages would be found again, and be an update of it.
TEXTS = (
    "dora: could you update the install guide?",
    "ben: please renew the TLS certificate of the shop before Friday",
    "I'll write the release notes tomorrow.",
    "eve: can you delete the old staging database?",
    "ada: please replace the search index of the archive",
)


@pytest.fixture
def environment(service: Service) -> dict[str, str]:
    return {"GLEANER_API_URL": service.stack["api"], "GLEANER_DATABASE_URL": service.stack["postgres"]}


async def _reviewable(service: Service, day: str, texts: tuple[str, ...] = TEXTS) -> str:
    """A completed run of the offline agent over these messages, one an hour."""
    messages = [
        {
            "source": "review",
            "channel": "dev",
            "external_id": f"{day}-{hour}",
            "author": ("ada", "ben", "dora", "eve")[hour % 4],
            "sent_at": f"{day}T{hour:02d}:00:00Z",
            "content": content,
        }
        for hour, content in enumerate(texts)
    ]
    await service.post("/messages", {"messages": messages})
    return await completed_run(service, day, text=None)


async def _proposals(service: Service, run_id: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for proposal in (await service.get("/proposals", run_id=run_id))["items"]:
        found.setdefault(proposal["status"], []).append(proposal)
    return found


async def test_each_key_does_what_it_says_and_the_run_is_closed(
    service: Service, environment: dict[str, str], tmp_path: Path
) -> None:
    run_id = await _reviewable(service, "2024-10-01")
    total = (await service.get(f"/analysis/runs/{run_id}"))["proposals_pending"]
    assert total >= 4
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/^priority: .*/priority: critical/' \"$1\"\n")
    editor.chmod(0o755)
    async with gleaner_in_a_terminal(["review", run_id], environment | {"EDITOR": str(editor)}) as terminal:
        await terminal.shows(f"{total} to decide, 0 decided", "a accept", "evidence")
        terminal.press("a")
        await terminal.shows(f"{total - 1} to decide, 1 decided", "Accepted")
        terminal.press("u")
        await terminal.shows(f"{total} to decide, 0 decided", "Undone")
        terminal.press("a")
        await terminal.shows("1 decided")
        terminal.press("e")
        await terminal.shows("Edited.", "critical")
        terminal.press("s")
        await terminal.shows("Skipped for now.")
        terminal.press("x")
        await terminal.shows("Why is it declined?")
        terminal.press("1")
        await terminal.shows("2 decided", "Declined as not a task")
        terminal.press("d")
        await terminal.shows("What is it a duplicate of?")
        terminal.press("1")
        await terminal.shows("3 decided", "Merged into")
        terminal.press("?")
        await terminal.shows("That key means nothing here.")
        for left in range(total - 4, -1, -1):
            terminal.press("a")
            await terminal.shows(f"{left} to decide")
        await terminal.shows("Every proposal of this run is decided.")
        terminal.press("c")
        await terminal.shows("Closed.", "Approval rate")
        assert await terminal.ended() == 0
    run = await service.get(f"/analysis/runs/{run_id}")
    assert run["status"] == "closed"
    assert (run["proposals_rejected"], run["proposals_merged"], run["proposals_approved"]) == (1, 1, total - 2)
    assert run["accuracy_metrics"]["edited_count"] == 1


async def test_a_task_is_searched_by_its_words(service: Service, environment: dict[str, str]) -> None:
    await _approve_all(service, await _reviewable(service, "2024-10-02", ("ben: please buy a purple stapler",)))
    run_id = await _reviewable(service, "2024-10-03", ("eve: please bring the purple stapler back",))
    async with gleaner_in_a_terminal(["review", run_id], environment) as terminal:
        await terminal.shows("to decide")
        terminal.press("d")
        await terminal.shows("any other key: back")
        terminal.press("/")
        await terminal.shows("Words of the task")
        terminal.press("purple stapler\n")
        await terminal.shows("1 task")
        terminal.press("1")
        await terminal.shows("Merged into")
        terminal.press("q")
        await terminal.shows("1 decided")
        assert await terminal.ended() == 0
    (merged,) = (await _proposals(service, run_id))["merged"]
    task = await service.get(f"/tasks/{merged['task_id']}")
    assert task["incident_count"] == 2


async def _approve_all(service: Service, run_id: str) -> None:
    for proposal in (await service.get("/proposals", run_id=run_id, status="pending"))["items"]:
        await service.post(f"/proposals/{proposal['id']}/approve")


async def test_what_somebody_else_decided_meanwhile_is_left_out(service: Service, environment: dict[str, str]) -> None:
    run_id = await _reviewable(service, "2024-10-04")
    async with gleaner_in_a_terminal(["review", run_id], environment) as terminal:
        await terminal.shows("0 decided")
        await _approve_all(service, run_id)
        terminal.press("a")
        await terminal.shows("Every proposal of this run is decided.")
        terminal.press("q")
        assert await terminal.ended() == 0
    assert set(await _proposals(service, run_id)) == {"approved"}


async def test_no_message_can_steer_the_terminal(service: Service, environment: dict[str, str]) -> None:
    text = "ben: please fix the \x1b]0;owned\x07login\x1b[2J page \u202etxt.exe"
    run_id = await _reviewable(service, "2024-10-05", (text,))
    async with gleaner_in_a_terminal(["review", run_id], environment) as terminal:
        screen = await terminal.shows("login", "page")
        assert "\ufffd]0;owned" in screen
        assert "\u202e" not in screen


async def test_without_a_terminal_or_a_run_it_says_what_to_do(environment: dict[str, str]) -> None:
    assert "needs a terminal" in await output_of(["review", "0" * 32], environment, status=2)
    async with gleaner_in_a_terminal(["review", "00000000-0000-0000-0000-000000000000"], environment) as terminal:
        await terminal.shows("run_not_found")
        assert await terminal.ended() == 1


@pytest.mark.skipif(not MEETING_LOG.exists(), reason="needs the conversations in ../shared/data")
async def test_the_meeting_log_is_reviewed_to_its_close(service: Service, environment: dict[str, str]) -> None:
    await output_of(["import", "irc", str(MEETING_LOG), "--source", "ubuntu"], environment)
    window = ["--from", "2010-11-08T00:00:00Z", "--to", "2010-11-10T00:00:00Z", "--json"]
    run_id = json.loads(await output_of(["run", *window], environment))["id"]
    total = (await service.run_until(run_id, "completed"))["proposals_pending"]
    async with gleaner_in_a_terminal(["review", run_id], environment) as terminal:
        for done in range(total):
            await terminal.shows(f"{total - done} to decide, {done} decided")
            terminal.press("a" if done % 3 else "x1")
        await terminal.shows("Every proposal of this run is decided.")
        terminal.press("c")
        await terminal.shows("Closed.")
        assert await terminal.ended() == 0
    run = await service.get(f"/analysis/runs/{run_id}")
    assert (run["status"], run["proposals_rejected"]) == ("closed", -(-total // 3))
