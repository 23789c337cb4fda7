"""Which worker processes live."""

from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.base import now
from models.service import WorkerHeartbeat

FRESH_SECONDS = 15.0
"""A worker that wrote its row within this time is taken to live."""
_FORGOTTEN = timedelta(days=1)


async def beat(session: AsyncSession, worker_id: str, task_queues: list[str]) -> None:
    """Write the worker's row with the present time."""
    statement = insert(WorkerHeartbeat).values(worker_id=worker_id, task_queues=task_queues, seen_at=now())
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[col(WorkerHeartbeat.worker_id)], set_={"seen_at": statement.excluded.seen_at}
        )
    )


async def leave(session: AsyncSession, worker_id: str) -> None:
    """Take the worker's row away, and those of workers that died long ago."""
    await session.exec(
        delete(WorkerHeartbeat).where(
            (col(WorkerHeartbeat.worker_id) == worker_id) | (col(WorkerHeartbeat.seen_at) < now() - _FORGOTTEN)
        )
    )


async def forget_all(session: AsyncSession) -> None:
    """Take every row away: the caller knows that no worker lives, though one wrote a moment ago."""
    await session.exec(delete(WorkerHeartbeat))


async def last_seen(session: AsyncSession) -> datetime | None:
    """When any worker wrote last."""
    return (await session.exec(select(func.max(WorkerHeartbeat.seen_at)))).one()


async def queues_seen(session: AsyncSession) -> dict[str, datetime]:
    """When a worker of each task queue wrote last; a queue that none serves isn't there."""
    seen: dict[str, datetime] = {}
    for task_queues, seen_at in (
        await session.exec(select(WorkerHeartbeat.task_queues, WorkerHeartbeat.seen_at))
    ).all():
        for queue in task_queues:
            seen[queue] = max(seen_at, seen.get(queue, seen_at))
    return seen


def fresh(seen_at: datetime | None) -> bool:
    return seen_at is not None and now() - seen_at < timedelta(seconds=FRESH_SECONDS)
