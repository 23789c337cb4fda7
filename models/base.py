"""What every table shares: one way to make an id, one clock, and columns whose words the database enforces."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import uuid_utils.compat
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from sqlalchemy import CheckConstraint, DateTime, Numeric

from models.values import words

Timestamp = DateTime(timezone=True)
Money = Numeric(20, 10)


def new_id() -> UUID:
    """A UUIDv7: unique, and ordered by the time it was made."""
    return uuid_utils.compat.uuid7()


def now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


def one_of(table: str, column: str, alias: object) -> CheckConstraint:
    """A constraint that lets the column hold only the alias's words (or NULL, where the column allows it)."""
    listed = ", ".join(f"'{word}'" for word in words(alias))
    return CheckConstraint(f"{column} IN ({listed})", name=f"ck_{table}_{column}")


def plain_decimal(amount: Decimal) -> str:
    """US dollars without exponent or trailing zeros: `0`, `0.00045`."""
    return format(amount.normalize(), "f") if amount else "0"


Dollars = Annotated[
    Decimal,
    PlainSerializer(plain_decimal, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["0.00045"], "pattern": r"^\d+(\.\d+)?$"}, mode="serialization"),
]
"""US dollars in a reply: a decimal string."""


def _aware(value: object) -> object:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError("a time is a text, like 2026-03-10T09:00:00Z")
    if value.tzinfo is None:
        raise ValueError("the time needs an offset, like 2026-03-10T09:00:00Z")
    return value


AwareTime = Annotated[datetime, BeforeValidator(_aware)]
"""An RFC 3339 time with an offset; one without is refused."""
