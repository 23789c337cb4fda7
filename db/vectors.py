"""Vectors of titles: kept beside proposals and tasks, and made again where a title changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.proposal import TaskProposal
from models.task import Task

Vector = Sequence[float]


@dataclass(frozen=True)
class Titled:
    """A title that lacks its vector."""

    kind: Literal["proposal", "task"]
    id: UUID
    title: str


async def pass_on(session: AsyncSession, proposal: TaskProposal, task: Task) -> None:
    """The task's title is the proposal's, and so is its vector."""
    await session.execute(
        text(
            "INSERT INTO task_vectors (task_id, title, vector)"
            " SELECT :task, title, vector FROM proposal_vectors WHERE proposal_id = :proposal AND title = :title"
            " ON CONFLICT (task_id) DO UPDATE SET title = excluded.title, vector = excluded.vector"
        ),
        {"task": task.id, "proposal": proposal.id, "title": task.title},
    )


async def lacking(session: AsyncSession, limit: int) -> list[Titled]:
    """Proposals and tasks that something may yet be compared with and whose present title has no vector."""
    rows = await session.execute(
        text(
            """
            (SELECT 'task', id, task.title FROM tasks AS task LEFT JOIN task_vectors AS known ON known.task_id = id
             WHERE status <> 'withdrawn' AND known.title IS DISTINCT FROM task.title LIMIT :limit)
            UNION ALL
            (SELECT 'proposal', id, proposed_title
             FROM task_proposals LEFT JOIN proposal_vectors AS known ON known.proposal_id = id
             WHERE status IN ('pending', 'rejected') AND known.title IS DISTINCT FROM proposed_title LIMIT :limit)
            LIMIT :limit
            """
        ),
        {"limit": limit},
    )
    return [Titled(*row) for row in rows.all()]


async def fill(session: AsyncSession, titled: Sequence[Titled], vectors: Sequence[Vector]) -> None:
    """Keep the vectors of these; what was deleted meanwhile is left out."""
    for kind, table, key in (("task", "tasks", "task_id"), ("proposal", "task_proposals", "proposal_id")):
        rows = [
            {"id": one.id, "title": one.title, "vector": written(vector)}
            for one, vector in zip(titled, vectors, strict=True)
            if one.kind == kind
        ]
        if rows:
            await session.execute(
                text(
                    f"INSERT INTO {kind}_vectors ({key}, title, vector)"  # noqa: S608 - names of our own
                    f" SELECT id, :title, CAST(CAST(:vector AS text) AS halfvec) FROM {table} WHERE id = :id"
                    f" ON CONFLICT ({key}) DO UPDATE SET title = excluded.title, vector = excluded.vector"
                ),
                rows,
            )


def written(vector: Vector) -> str:
    """As PostgreSQL reads it: with the digits that half a float holds, which takes a sixth of the time of all."""
    return f"[{('%.6f,' * len(vector))[:-1] % tuple(vector)}]"
