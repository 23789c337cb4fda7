"""How well proposals are told to belong to projects, on cases written for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from operator import mul
from typing import Any
from uuid import UUID, uuid5

from analysis.closing import ratio
from analysis.projects import Candidate, classify, meaning
from llm.embeddings import embed

_SPACE = UUID(int=0)


@dataclass(frozen=True)
class Case:
    """A proposal and the name of its project, or None. Nobody tunes on those that are `kept_back`."""

    title: str
    evidence: str
    suggestion: str | None
    project: str | None
    kind: str
    kept_back: bool


@dataclass(frozen=True)
class Told:
    """A case, and the project that it was told to belong to."""

    case: Case
    project: str | None


@cache
def _file() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("evaluation").joinpath("projects.json").read_text())
    return found


def cases() -> list[Case]:
    return [Case(**row) for row in _file()["cases"]]


async def told(chosen: Sequence[Case]) -> list[Told]:
    """Each case as the pipeline tells it, in a company that has no tasks yet."""
    projects = _file()["projects"]
    parts = ("name", "description", "keywords", "components")
    of_projects = await embed([meaning(*(project[part] for part in parts)) for project in projects])
    of_titles = await embed([case.title for case in chosen])
    names = {uuid5(_SPACE, project["name"]): project["name"] for project in projects}
    found = []
    for case, title in zip(chosen, of_titles, strict=True):
        candidates = [
            Candidate(
                project_id,
                project["name"],
                project["keywords"],
                list(project["glossary"]),
                project["components"],
                nearness=sum(map(mul, title, its)),
            )
            for project_id, project, its in zip(names, projects, of_projects, strict=True)
        ]
        result = classify(f"{case.title}\n{case.evidence}", case.suggestion, candidates)
        found.append(Told(case, None if result.project_id is None else names[result.project_id]))
    return found


def accuracy(rows: Sequence[Told]) -> float | None:
    """How many are right; to name none for a case of none is right, too."""
    return ratio(sum(row.project == row.case.project for row in rows), len(rows))


def rendered(rows: Sequence[Told]) -> str:
    """Markdown: the accuracy of the cases that were tuned on, of the others and of all, and the results by kind."""
    lines = ["| cases | number | right | another project | none of its own |", "| --- | --- | --- | --- | --- |"]
    parts = [
        ("tuned on", [row for row in rows if not row.case.kept_back]),
        ("kept back", [row for row in rows if row.case.kept_back]),
        ("all", list(rows)),
        *((kind, [row for row in rows if row.case.kind == kind]) for kind in sorted({row.case.kind for row in rows})),
    ]
    for name, part in parts:
        right = sum(row.project == row.case.project for row in part)
        missed = sum(row.project is None and row.case.project is not None for row in part)
        lines.append(f"| {name} | {len(part)} | {right / len(part):.2f} | {len(part) - right - missed} | {missed} |")
    return "\n".join(lines)
