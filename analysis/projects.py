"""Which project a proposal belongs to.

Each sign that points to a project makes it more likely by itself: its words, what the model suggests, what its
words mean, and which projects the tasks are of that mean nearly the same. Signs of several projects take the
certainty from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any
from uuid import UUID

from analysis.prefilter import matched_keywords

NAME, KEYWORD, TERM, COMPONENT, SUGGESTION = 0.6, 0.45, 0.45, 0.4, 0.6
"""How sure each sign alone makes, 0 to 1. Every keyword is a sign, and every part of the project that is named."""
MEANING, NEAR, LEAD = 0.45, 0.1, 0.15
"""How sure the meaning makes at most: where it is at least so near to the project's, and by so much nearer than to any
other's. Short titles are never very near to a description; which of them is nearest tells more."""
NEIGHBOURS = 0.5
"""How sure it makes that all tasks that mean nearly the same are of the project."""
SURE_ENOUGH = 0.25
"""How sure it must be to be proposed."""


@dataclass(frozen=True)
class Candidate:
    """A project as one proposal sees it. `nearness` of its meaning is 0 to 1, None where nobody measured it; `share` is
    how many of the tasks that mean nearly the same are of it, 0 to 1; `components` are `{name, keywords}`."""

    id: UUID
    name: str
    keywords: Sequence[str] = ()
    terms: Sequence[str] = ()
    components: Sequence[dict[str, Any]] = ()
    nearness: float | None = None
    share: float = 0.0


@dataclass(frozen=True)
class Classification:
    """`confidence` is 0 to 1; None without a project. `keywords` are those of the project that stand in the text."""

    project_id: UUID | None = None
    confidence: float | None = None
    keywords: tuple[str, ...] = ()


def classify(text: str, suggestion: str | None, candidates: Sequence[Candidate]) -> Classification:
    """`text` is the proposal's title and the messages that it rests on; `suggestion` the name that the model gave."""
    if not candidates:
        return Classification()
    scored = [(_sureness(text, suggestion, one, _lead(one, candidates)), one) for one in candidates]
    scored.sort(key=lambda entry: -entry[0])
    best, project = scored[0]
    others = scored[1][0] if len(scored) > 1 else 0.0
    confidence = best * best / (best + others) if best else 0.0
    if confidence < SURE_ENOUGH:
        return Classification()
    return Classification(project.id, round(confidence, 4), tuple(matched_keywords(project.keywords, text)))


def _lead(project: Candidate, candidates: Sequence[Candidate]) -> float:
    """By how much the meaning is nearer to the project's than to any other's."""
    if project.nearness is None or project.nearness < NEAR:
        return 0.0
    others = (one.nearness for one in candidates if one.id != project.id and one.nearness is not None)
    return max(0.0, project.nearness - max(others, default=0.0))


def _sureness(text: str, suggestion: str | None, project: Candidate, lead: float) -> float:
    signs = [KEYWORD for _ in matched_keywords(project.keywords, text)]
    signs += [TERM for _ in matched_keywords(project.terms, text)]
    signs += [
        COMPONENT
        for component in project.components
        if matched_keywords([str(component.get("name", "")), *component.get("keywords", ())], text)
    ]
    if matched_keywords([project.name], text):
        signs.append(NAME)
    if suggestion is not None and suggestion.casefold() == project.name.casefold():
        signs.append(SUGGESTION)
    signs += [MEANING * min(1.0, lead / LEAD), NEIGHBOURS * project.share]
    return 1 - prod(1 - sign for sign in signs)


def meaning(name: str, description: str, keywords: Sequence[str], components: Sequence[dict[str, Any]]) -> str:
    """What is measured of a project."""
    parts = (f"{one.get('name', '')}: {', '.join(one.get('keywords', ()))}" for one in components)
    return f"{name}. {description} {', '.join(keywords)}. {'; '.join(parts)}."
