"""What a proposal may belong to: the projects that are switched on, and whose tasks mean nearly the same."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.vectors import Vector
from models.project import ProjectConfig
from models.task import Task
from models.vectors import TaskVector

NEIGHBOURS = 10
"""How many tasks are looked at."""
FAR = 0.4
"""Cosine distance from which on a task says nothing about a proposal."""


async def active(session: AsyncSession) -> list[ProjectConfig]:
    query = select(ProjectConfig).where(col(ProjectConfig.is_active)).order_by(col(ProjectConfig.id))
    return list((await session.exec(query)).all())


async def neighbours(session: AsyncSession, vector: Vector) -> dict[UUID, float]:
    """The projects of the tasks that are near in meaning, each with its share of them, 0 to 1."""
    distance = col(TaskVector.vector).cosine_distance(vector)  # type: ignore[attr-defined]  # of pgvector's column
    query = select(col(Task.project_config_id), distance).join(TaskVector).where(col(Task.status) != "withdrawn")
    rows = (await session.exec(query.order_by(distance).limit(NEIGHBOURS))).all()
    near: Sequence[UUID | None] = [project_id for project_id, far in rows if far < FAR]
    counts = Counter(near)
    return {project_id: count / len(near) for project_id, count in counts.items() if project_id is not None}
