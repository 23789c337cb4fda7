"""Who does something: what reviews are signed with and what the audit names."""

from dataclasses import dataclass
from typing import Any

from models.values import ActorKind


@dataclass(frozen=True)
class Actor:
    """Whoever acts. `id` is stable and unique among its kind, `name` is for people."""

    kind: ActorKind
    id: str
    name: str

    def stored(self) -> dict[str, str]:
        """As a row keeps it."""
        return {"kind": self.kind, "id": self.id, "name": self.name}

    @staticmethod
    def of(stored: dict[str, Any]) -> "Actor":
        return Actor(stored["kind"], stored["id"], stored["name"])

    @staticmethod
    def model(name: str) -> "Actor":
        """A language model, by the name that its provider knows it under."""
        return Actor("model", name, name)


SYSTEM = Actor("system", "system", "system")
"""Gleaner itself, and whoever commands it past the API: by a Temporal signal."""

LOCAL = Actor("user", "local", "local")
"""Whoever sits at this machine: the command line, and the API where keys are off."""
