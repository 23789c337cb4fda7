"""Whether the service lives, and whether its parts answer."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from api.auth import Reader
from api.dependencies import Api, Resources
from db import heartbeats, statistics
from db.engine import is_outage
from errors import Unavailable
from workflows.contract import MODEL_QUEUE, QUEUE

PART_SECONDS = 2.0

router = APIRouter(tags=["service"])


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class Part(BaseModel):
    """One part that runs depend on."""

    ok: bool
    detail: str


class Parts(BaseModel):
    database: Part
    temporal: Part
    worker: Part


class Ready(BaseModel):
    """Whether a run that is started now would go on, and if not, what is missing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "not_ready",
                    "parts": {
                        "database": {"ok": True, "detail": "answers"},
                        "temporal": {"ok": True, "detail": "answers"},
                        "worker": {"ok": False, "detail": "no worker of the queue gleaner has been seen yet"},
                    },
                }
            ]
        }
    )

    status: Literal["ready", "not_ready"]
    parts: Parts


class Stats(BaseModel):
    """Counts for a dashboard. `runs` has every state."""

    runs: dict[str, int]
    proposals_pending: int
    messages: int


@router.get("/health/live")
async def live() -> Live:
    """The process answers; its parts may not. The one route that never needs a key, for probes."""
    return Live()


@router.get("/health/ready", responses={503: {"model": Ready, "description": "A part is missing"}})
async def ready(_: Reader, resources: Api, response: Response) -> Ready:
    """Whether database, Temporal and a worker answer; 503 where one doesn't."""
    database, temporal, worker = await asyncio.gather(
        _probe(_database(resources)), _probe(resources.temporal.check()), _probe(_worker(resources))
    )
    parts = Parts(database=database, temporal=temporal, worker=worker)
    if not (database.ok and temporal.ok and worker.ok):
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Ready(status="not_ready", parts=parts)
    return Ready(status="ready", parts=parts)


@router.get("/stats")
async def stats(_: Reader, resources: Api) -> Stats:
    """Counts for a dashboard."""
    async with resources.database.transaction() as session:
        return Stats(
            runs=await statistics.runs_by_status(session),
            proposals_pending=await statistics.proposals_pending(session),
            messages=await statistics.messages(session),
        )


async def _probe(check: Awaitable[None]) -> Part:
    """What the check finds within two seconds."""
    try:
        await asyncio.wait_for(check, PART_SECONDS)
    except Unavailable as missing:
        return Part(ok=False, detail=missing.detail)
    except Exception as error:
        if is_outage(error):
            return Part(ok=False, detail=f"does not answer within {PART_SECONDS:.0f} s")
        # A wrong password, a database without tables: a part that answers so is as good as none.
        return Part(ok=False, detail=f"answers with {type(_root(error)).__name__}")
    return Part(ok=True, detail="answers")


def _root(error: BaseException) -> BaseException:
    """What an error was wrapped around."""
    return error if error.__cause__ is None else _root(error.__cause__)


async def _database(resources: Resources) -> None:
    async with resources.database.transaction() as session:
        await session.execute(text("SELECT 1"))


async def _worker(resources: Resources) -> None:
    async with resources.database.transaction() as session:
        seen = await heartbeats.queues_seen(session)
    for queue in (QUEUE, MODEL_QUEUE):
        seen_at = seen.get(queue)
        if seen_at is None:
            raise Unavailable("worker_unavailable", f"no worker of the queue {queue} has been seen yet")
        if not heartbeats.fresh(seen_at):
            since = seen_at.isoformat(timespec="seconds")
            raise Unavailable("worker_unavailable", f"no worker of the queue {queue} since {since}")
