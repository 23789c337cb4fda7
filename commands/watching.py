"""Following a run over the WebSocket, through disconnects, until it settles."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import websockets
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from commands import console
from commands.api_client import ApiClient

SETTLED = {
    "run_completed": "completed",
    "run_reviewed": "reviewed",
    "run_closed": "closed",
    "run_failed": "failed",
    "run_cancelled": "cancelled",
}
"""The events that settle a run, and the states that they lead to."""
RECONNECT_SECONDS = 0.5


async def events(api: ApiClient, run: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The events of a run that the API has shown, from its first one on, each once, across reconnects.

    Ends with the one that settles it, or, of a run that was settled already, with the last that it had. What settled a
    run before it was retried doesn't count. A run whose events were purged has none.
    """
    seq, settled = 0, run["status"] in SETTLED.values()
    if settled and not api.get(f"/analysis/runs/{run['id']}/events", limit=1)["items"]:
        return
    while True:
        try:
            async with websockets.connect(api.socket_url(run["id"], seq), proxy=None) as socket:
                async for message in socket:
                    event = json.loads(message)
                    if event.get("seq") is None:
                        continue
                    seq = event["seq"]
                    yield event
                    if seq >= run["last_seq"] and (settled or event["event"] in SETTLED):
                        return
        except (OSError, websockets.ConnectionClosed, websockets.InvalidHandshake):
            await asyncio.sleep(RECONNECT_SECONDS)


def watch(api: ApiClient, run_id: str, *, as_json: bool = False) -> dict[str, Any]:
    """Show the run's progress until it settles; returns the settling event, of a run whose events were purged no more
    than its name."""
    return asyncio.run(_watch(api, api.get(f"/analysis/runs/{run_id}"), as_json=as_json))


async def _watch(api: ApiClient, run: Mapping[str, Any], *, as_json: bool) -> dict[str, Any]:
    shown = _Json() if as_json else _Bar() if sys.stdout.isatty() else _Lines()
    settling = {"event": next((event for event, status in SETTLED.items() if status == run["status"]), "")}
    with shown.open():
        async for event in events(api, run):
            shown.show(event)
            if event["event"] in SETTLED:
                settling = event
    return settling


class _Json:
    """One JSON object a line."""

    def open(self) -> AbstractContextManager[object]:
        return nullcontext()

    def show(self, event: dict[str, Any]) -> None:
        console.say(json.dumps(event, ensure_ascii=False))


class _Lines:
    """A plain line for each thing that happened."""

    def open(self) -> AbstractContextManager[object]:
        return nullcontext()

    def show(self, event: dict[str, Any]) -> None:
        console.say(describe(event))


class _Bar:
    """A progress bar, with the news above it."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn()
        )
        self._task: TaskID = self._progress.add_task("analysis", total=100)

    def open(self) -> AbstractContextManager[object]:
        return self._progress

    def show(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress_updated":
            data = event["data"]
            description = f"batch {data['current_batch']}/{data['total_batches']}"
            self._progress.update(self._task, completed=data["progress_percent"], description=description)
        else:
            self._progress.console.print(describe(event), markup=False, highlight=False)


def describe(event: dict[str, Any]) -> str:
    """An event as one plain line."""
    data = event["data"]
    match event["event"]:
        case "messages_fetched":
            what = f"{data['total']} messages in the window"
        case "messages_prefiltered":
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(data["filtered_by_reason"].items()))
            what = f"{data['kept']} messages after the prefilter (left out: {reasons or 'none'})"
        case "batches_created":
            what = f"{data['total_batches']} batches"
        case "progress_updated":
            what = f"{data['progress_percent']:3d} %  batch {data['current_batch']}/{data['total_batches']}"
        case "proposals_created":
            what = f"{data['proposals_count']} proposals from batch {data['batch_no']}"
        case "batch_failed":
            what = f"batch {data['batch_no']} failed: {data['error']}"
        case "batch_split":
            what = f"batch {data['batch_no']} was too long for the model and is split"
        case "run_paused":
            error = data.get("error")
            what = f"paused ({data['reason']})" + (f": {error['message']} {error['hint']}" if error else "")
        case "provider_probed":
            what = "the provider answers again" if data["up"] else "the provider is still down"
        case "limits_changed":
            budget = "no budget" if data["budget_usd"] is None else f"budget {data['budget_usd']} USD"
            what = f"new limits: concurrency {data['concurrency']}, {budget}"
        case "command_refused":
            what = f"refused {data['command']}: {data['code']}"
        case "run_failed":
            what = f"failed: {data['error']['message']} {data['error']['hint']}"
        case "run_completed":
            what = f"completed: {data['proposals_total']} proposals, {data['batches_failed']} batches failed"
        case name:
            what = name.replace("_", " ")
    return f"[{event['seq']:4d}] {what}"
