"""The Compose file as Docker Compose reads it: parsed, and its variables replaced from an environment."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
SECRETS = ("POSTGRES_PASSWORD", "DATABASE_PASSWORD", "TEMPORAL_DATABASE_PASSWORD", "GLEANER_SECRET_KEY")
"""The variables that have no default."""
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<word>[^}]*))?\}|\$\$")


class MissingError(Exception):
    """A variable without a default is unset or empty; the text is the file's own message."""


def raw() -> dict[str, Any]:
    """The file before any variable is replaced."""
    parsed: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return parsed


def services(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Each service by its name. Raises MissingError."""
    replaced: dict[str, dict[str, Any]] = _replace(raw()["services"], environment)
    return replaced


def variables() -> Iterator[re.Match[str]]:
    """Every use of a variable in the file; the groups are `name`, `operator` and `word`."""
    return (use for text in _texts(raw()) for use in VARIABLE.finditer(text) if use["name"])


def _replace(node: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _replace(value, environment) for name, value in node.items()}
    if isinstance(node, list):
        return [_replace(value, environment) for value in node]
    return VARIABLE.sub(lambda use: _value(use, environment), node) if isinstance(node, str) else node


def _value(use: re.Match[str], environment: Mapping[str, str]) -> str:
    if use["name"] is None:
        return "$"
    value = environment.get(use["name"], "")
    if not value and use["operator"] == "?":
        raise MissingError(f"{use['name']}: {use['word']}")
    return value or use["word"] or ""


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node
