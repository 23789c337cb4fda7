"""What a proposal may belong to: the projects that are switched on, and whose tasks mean nearly the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from db.statements import On, Statement
from db.vectors import Vector, written

NEIGHBOURS = 10
"""How many tasks are looked at."""
FAR = 0.4
"""Cosine distance from which on a task says nothing about a proposal."""


@dataclass(frozen=True)
class ActiveProject:
    """A project that is switched on."""

    id: UUID
    name: str
    description: str
    keywords: list[str]
    glossary: dict[str, str]
    components: list[dict[str, Any]]


@dataclass(frozen=True)
class Surroundings:
    """What new proposals may belong to: the active projects, and for each proposal by its place the projects of the
    tasks that are near in meaning, each with its share of them, 0 to 1."""

    projects: list[ActiveProject]
    shares: Sequence[Mapping[UUID, float]]


_around = Statement(
    f"""
    SELECT ARRAY(
        SELECT ROW (id, name, description, keywords, glossary, components) FROM project_configs
        WHERE is_active ORDER BY id
    ), ARRAY(
        SELECT ROW (place, near.project_config_id, near.distance)
        FROM unnest(CAST(:vectors AS text[])) WITH ORDINALITY AS new (vector, place) CROSS JOIN LATERAL (
            SELECT task.project_config_id, known.vector <=> CAST(new.vector AS halfvec) AS distance
            FROM task_vectors AS known JOIN tasks AS task ON task.id = known.task_id
            WHERE task.status <> 'withdrawn' ORDER BY distance LIMIT {NEIGHBOURS}
        ) AS near
        WHERE new.vector IS NOT NULL AND EXISTS (SELECT FROM project_configs WHERE is_active)
        ORDER BY place, near.distance
    )
    """  # noqa: S608 - the part put in is a constant of the code
)


async def around(on: On, vectors: Sequence[Vector | None]) -> Surroundings:
    """What proposals with these vectors may belong to; None is one that wasn't measured."""
    row = await _around.row(on, {"vectors": [None if vector is None else written(vector) for vector in vectors]})
    assert row is not None
    active, near = row
    found: list[list[UUID | None]] = [[] for _ in vectors]
    for place, project_id, distance in near:
        if distance < FAR:
            found[place - 1].append(project_id)
    return Surroundings([ActiveProject(*one) for one in active], [_shares(ids) for ids in found])


def _shares(near: Sequence[UUID | None]) -> dict[UUID, float]:
    counts = Counter(near)
    return {project_id: count / len(near) for project_id, count in counts.items() if project_id is not None}
