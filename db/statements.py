"""SQL that is sent as it is written: once for each batch of a run, what SQLAlchemy adds takes longer than the query."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import asyncpg
from sqlalchemy import CursorResult, text
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

Connection: TypeAlias = asyncpg.Connection
On: TypeAlias = AsyncSession | Connection
"""Where a statement runs: in the transaction of a session, or alone, a transaction of its own."""

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")  # not the `::` of a cast


def insertion(table: type[SQLModel], parameter: str) -> str:
    """SQL that inserts rows of the table, which a parameter holds as a JSON array. Columns that a later version has
    added get their defaults."""
    name, columns = table.__tablename__, ", ".join(table.model_fields)
    rows = f"jsonb_populate_recordset(CAST(NULL AS {name}), CAST(:{parameter} AS jsonb))"
    return f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {rows}"  # noqa: S608 - names of our own


class Statement:
    """A statement with named parameters (`:name`), which the driver keeps prepared on each connection."""

    def __init__(self, sql: str) -> None:
        self._text = text(sql)
        self._names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        self._sql = _PARAMETER.sub(lambda found: f"${self._names.index(found[1]) + 1}", sql)

    async def row(self, on: On, values: Mapping[str, object]) -> Sequence[Any] | None:
        """The one row that it gives, or None."""
        rows = await self.rows(on, values)
        assert len(rows) <= 1
        return rows[0] if rows else None

    async def rows(self, on: On, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        if not isinstance(on, AsyncSession):
            return cast("Sequence[Sequence[Any]]", await on.fetch(self._sql, *(values[name] for name in self._names)))
        result = await on.execute(self._text, {name: values[name] for name in self._names})
        return result.all() if isinstance(result, CursorResult) and result.returns_rows else []
