"""The health check of a worker's container: exit code 0 if its worker wrote its heartbeat row lately, else 1."""

import asyncio
import socket

from sqlmodel import col, func, select

from db import heartbeats
from db.engine import Database
from models.service import WorkerHeartbeat
from settings import get_settings


async def alive() -> bool:
    """Whether a worker of this host is fresh; a worker's id starts with the name of its host."""
    ours = col(WorkerHeartbeat.worker_id).startswith(f"{socket.gethostname()}-", autoescape=True)
    async with Database.from_settings(get_settings()) as database, database.transaction() as session:
        seen_at = (await session.exec(select(func.max(WorkerHeartbeat.seen_at)).where(ours))).one()
    return heartbeats.fresh(seen_at)


if __name__ == "__main__":
    raise SystemExit(not asyncio.run(alive()))
