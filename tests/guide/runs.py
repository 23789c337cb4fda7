"""Runs over a day of its own each, so that none is in another's way."""

from tests.support.service import Service


async def completed_run(service: Service, day: str, *, start: bool = True) -> str:
    """The id of a run of the offline agent over one message of the day: completed, or (without `start`) pending."""
    message = {
        "source": "guide",
        "channel": "ops",
        "external_id": day,
        "author": "dora",
        "sent_at": f"{day}T12:00:00Z",
        "content": "I'll rotate the staging certificates tomorrow.",
    }
    await service.post("/messages", {"messages": [message]})
    body = {
        "time_window_start": f"{day}T00:00:00Z",
        "time_window_end": f"{day}T23:00:00Z",
        "agent_assignment_id": (await service.get("/assignments"))["items"][0]["id"],
    }
    run_id: str = (await service.post("/analysis/runs", body, status=201))["id"]
    if start:
        await service.post(f"/analysis/runs/{run_id}/start")
        await service.run_until(run_id, "completed")
    return run_id
