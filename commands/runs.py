"""`gleaner run`, `runs` and `watch`: runs over the API."""

from datetime import datetime
from typing import Annotated, Any

import typer

from commands import console
from commands.api_client import ApiClient, ApiError
from commands.api_session import api_session
from commands.watching import watch as watch_run

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def run(
    start: Annotated[str, typer.Option("--from", help="Start of the window, RFC 3339 with an offset.")],
    end: Annotated[str, typer.Option("--to", help="End of the window; itself not part of it.")],
    project: Annotated[str | None, typer.Option(help="The project's name.")] = None,
    assignment: Annotated[str | None, typer.Option(help="Id of the agent assignment; default: the first one.")] = None,
    budget: Annotated[str | None, typer.Option(help="US dollars that the run may spend.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=100, help="Model calls at once.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run until it settles.")] = False,
    as_json: Json = False,
) -> None:
    """Create a run over a time window and start it."""
    for option, value in (("--from", start), ("--to", end)):
        _check_time(option, value)
    with api_session() as api:
        options = {"budget_usd": budget, "concurrency": concurrency}
        created = _create(api, start, end, project, assignment, options)
        api.post(f"/analysis/runs/{created['id']}/start")
        if watch:
            _end(watch_run(api, created["id"], as_json=as_json))
        elif as_json:
            console.show_json(api.get(f"/analysis/runs/{created['id']}"))
        else:
            console.say(f"Started run {created['id']}; follow it with: gleaner watch {created['id']}")


def runs(
    status: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: Json = False,
) -> None:
    """List the newest runs."""
    with api_session() as api:
        page = api.get("/analysis/runs", status=status, limit=limit)
    if as_json:
        console.show_json(page)
        return
    console.show_table(
        f"{page['total']} runs",
        ("id", "status", "from", "batches", "to decide"),
        [_row(item) for item in page["items"]],
    )


def watch(run_id: str, as_json: Json = False) -> None:
    """Follow a run until it settles: completed, reviewed, closed, failed or cancelled."""
    with api_session() as api:
        _end(watch_run(api, run_id, as_json=as_json))


def _check_time(option: str, value: str) -> None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        console.misused(f"{option}: {value!r} is not a time like 2026-03-10T00:00:00Z.")
    if moment.tzinfo is None:
        console.misused(f"{option}: {value!r} has no offset; write {value}Z for UTC.")


def _create(
    api: ApiClient, start: str, end: str, project: str | None, assignment: str | None, options: dict[str, Any]
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "time_window_start": start,
        "time_window_end": end,
        "agent_assignment_id": assignment or _first_assignment(api),
        "options": {name: value for name, value in options.items() if value is not None},
    }
    if project is not None:
        body["project_config_id"] = api.project_id(project)
    created: dict[str, Any] = api.post("/analysis/runs", body)
    return created


def _first_assignment(api: ApiClient) -> str:
    found = min(api.pages("/assignments", active_only=True), key=lambda item: item["id"], default=None)
    if found is None:
        raise ApiError("There is no active agent assignment; create one or name it with --assignment.")
    return str(found["id"])


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    state = item["status"] + (f" ({item['paused_reason']})" if item["paused_reason"] else "")
    failed = f", {item['batches_failed']} failed" if item["batches_failed"] else ""
    to_decide = f"{item['proposals_pending']} of {item['proposals_total']}"
    return item["id"], state, item["time_window_start"][:10], f"{item['batches_created']}{failed}", to_decide


def _end(event: dict[str, Any]) -> None:
    if event.get("event") in ("run_failed", "run_cancelled"):
        raise typer.Exit(1)
