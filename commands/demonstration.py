"""The story of `gleaner demo`: one analysis of the sample workspace, followed live, and what it found."""

from datetime import datetime
from typing import Any

from commands import console
from commands.api_client import ApiClient, ApiError
from commands.watching import watch
from models.base import now
from sample.workspace import WINDOW
from settings import get_settings


def show(api_url: str, ui_url: str) -> int:
    """Run the analysis over the API and print what a newcomer wants to see; returns the exit code."""
    try:
        with ApiClient(get_settings(), api_url) as api:
            return _show(api, ui_url)
    except ApiError as error:
        console.err.print(str(error), markup=False)
        return 1


def _show(api: ApiClient, ui_url: str) -> int:
    run = _start(api)
    settled = watch(api, run["id"])
    run = api.get(f"/analysis/runs/{run['id']}")
    proposals = list(api.pages("/proposals", run_id=run["id"]))
    _print_proposals(api, proposals)
    console.say(f"\nAPI documentation:  {api.base_url}/docs")
    console.say(f"Temporal Web UI:    {run['workflow_url'] or ui_url}")
    console.say("This was the demo; `make dev` keeps the same stack running.")
    return 0 if settled["event"] == "run_completed" and proposals else 1


def _start(api: ApiClient) -> dict[str, Any]:
    """A run in a project of its own: two runs of one project can't share a window, and the demo may come again."""
    start, end = WINDOW
    project = api.post("/projects", {"name": f"Demo {now():%Y-%m-%d %H:%M:%S.%f}", "description": "", "keywords": []})
    assignment = min(api.pages("/assignments", active_only=True), key=lambda item: item["id"])
    run: dict[str, Any] = api.post(
        "/analysis/runs",
        {
            "time_window_start": start.isoformat(),
            "time_window_end": end.isoformat(),
            "agent_assignment_id": assignment["id"],
            "project_config_id": project["id"],
        },
    )
    console.say(f"Analysing the sample workspace, {start:%Y-%m-%d} to {end:%Y-%m-%d}, run {run['id']}")
    api.post(f"/analysis/runs/{run['id']}/start")
    return run


def _print_proposals(api: ApiClient, proposals: list[dict[str, Any]]) -> None:
    rows = []
    for proposal in proposals:
        detail = api.get(f"/proposals/{proposal['id']}")
        rows.append(
            (
                proposal["proposed_title"],
                proposal["proposed_assignee"] or "–",
                f"{proposal['confidence']:.2f}",
                "\n".join(_evidence(message) for message in detail["messages"][:3]),
            )
        )
    console.say("")
    console.show_table(f"{len(rows)} proposals", ("task", "owner", "sure", "evidence"), rows)


def _evidence(message: dict[str, Any]) -> str:
    text = " ".join(message["content"].split())
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    sent_at = datetime.fromisoformat(message["sent_at"])
    return f"#{message['channel']} {sent_at:%a %H:%M} {message['author']}: {shown}"
