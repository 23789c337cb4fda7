"""Optimistic locking: a change names the version that its author saw."""

from typing import Protocol

from errors import PreconditionFailed


class Versioned(Protocol):
    version: int


def check_version(row: Versioned, seen: int | None) -> None:
    """412 `version_conflict` where the locked row is not as the caller saw it; None checks nothing."""
    if seen is not None and row.version != seen:
        detail = f"It was changed since you read it: the present version is {row.version}."
        raise PreconditionFailed("version_conflict", detail, version=row.version)
