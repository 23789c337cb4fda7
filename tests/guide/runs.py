"""Runs over a day of its own each, so that none is in another's way."""

from tests.support.service import Service

TEXT = "I'll rotate the staging certificates tomorrow."


async def completed_run(service: Service, day: str, *, start: bool = True, text: str | None = TEXT) -> str:
    """The id of a run of the offline agent over the day: completed, or (without `start`) pending. It finds one message
    with this text there, and what else was posted."""
    if text is not None:
        await _post(service, day, text)
    body = {
        "time_window_start": f"{day}T00:00:00Z",
        "time_window_end": f"{day}T23:00:00Z",
        "agent_assignment_id": await offline_assignment(service),
    }
    run_id: str = (await service.post("/analysis/runs", body, status=201))["id"]
    if start:
        await service.post(f"/analysis/runs/{run_id}/start")
        await service.run_until(run_id, "completed")
    return run_id


async def offline_assignment(service: Service) -> str:
    """The id of the assignment that a service begins with; others may have been made since."""
    return str(min(item["id"] for item in (await service.get("/assignments"))["items"]))


async def _post(service: Service, day: str, text: str) -> None:
    message = {
        "source": "guide",
        "channel": "ops",
        "external_id": day,
        "author": "dora",
        "sent_at": f"{day}T12:00:00Z",
        "content": text,
    }
    await service.post("/messages", {"messages": [message]})
