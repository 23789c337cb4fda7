"""Lists page by page: an opaque cursor holds the sort key of the last item shown."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar, overload
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from api.problems import invalid_field
from errors import Unprocessable

Item = TypeVar("Item")
Part = int | float | str | datetime | UUID
First = TypeVar("First", bound=Part)
Second = TypeVar("Second", bound=Part)

_MAX_INTEGER = 2**31 - 1


class Page(BaseModel, Generic[Item]):
    """A part of a list. `next_cursor` is null on the last page; `total` counts the whole list."""

    items: list[Item]
    next_cursor: str | None
    total: int


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted."""

    limit: int
    cursor: str | None

    @overload
    def after(self, first: type[First], /) -> tuple[First] | None: ...
    @overload
    def after(self, first: type[First], second: type[Second], /) -> tuple[First, Second] | None: ...
    def after(self, *kinds: type[object]) -> tuple[object, ...] | None:
        """The sort key after which the page begins, of these types; None for the first page. 422 `invalid_cursor`."""
        return None if self.cursor is None else decode(self.cursor, kinds)

    def of(self, found: Sequence[Item], total: int, *, key: Callable[[Item], tuple[Part, ...]]) -> Page[Item]:
        """The page, from `limit + 1` items at most: one too many shows that there is a next page."""
        shown = list(found[: self.limit])
        return Page(items=shown, next_cursor=encode(key(shown[-1])) if len(found) > self.limit else None, total=total)


def encode(key: Sequence[Part]) -> str:
    """The cursor of a sort key."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(parts, default=str).encode()).decode().rstrip("=")


def decode(cursor: str, kinds: Sequence[type[object]]) -> tuple[Part, ...]:
    """The sort key of a cursor; 422 `invalid_cursor` for anything that `encode` didn't make of these types."""
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(kinds):
            raise _invalid()
        return tuple(_part(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, OverflowError, binascii.Error, RecursionError):
        raise _invalid() from None


def _part(part: object, kind: type[object]) -> Part:
    """ValueError where the part is no such thing."""
    if kind is int and type(part) is int and abs(part) <= _MAX_INTEGER:
        return part
    if kind is float and isinstance(part, int | float) and math.isfinite(part):
        return float(part)
    if isinstance(part, str):
        if kind is UUID:
            return UUID(part)
        if kind is datetime and (moment := datetime.fromisoformat(part)).tzinfo is not None:
            return moment
        if kind is str:
            return part
    raise ValueError


def _invalid() -> Unprocessable:
    return invalid_field("cursor", "invalid_cursor", "The cursor is not one that this list gave.")


async def _requested(
    limit: Annotated[int, Query(ge=1, le=200, description="Items a page.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next_cursor` of the page before; none for the first.")
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


PageQuery = Annotated[PageRequest, Depends(_requested)]
"""A handler's parameter that receives `limit` and `cursor`."""
