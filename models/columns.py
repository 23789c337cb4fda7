"""Columns that many tables have, each written once. SQLModel's `Field` is untyped by design, so are these."""

from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from models.base import Money, Timestamp, new_id, now


def _empty() -> list[Any]:
    """What `list` gives. Pydantic looks at a factory's signature each time, and takes 0.2 ms to make out `list`'s."""
    return []


def id_column() -> Any:
    return Field(default_factory=new_id, primary_key=True, sa_column_kwargs={"server_default": text("uuidv7()")})


def word_column(default: str | None = None, *, nullable: bool = False) -> Any:
    """Text whose words a constraint of the table limits."""
    if default is None:
        return Field(default=None, sa_type=Text, nullable=True) if nullable else Field(sa_type=Text)
    return Field(default=default, sa_type=Text, sa_column_kwargs={"server_default": text(f"'{default}'")})


def text_column(default: str | None = None, *, nullable: bool = False, unique: bool = False) -> Any:
    if nullable:
        return Field(default=None, sa_type=Text, nullable=True)
    if default is None:
        return Field(sa_type=Text, unique=unique)
    return Field(default=default, sa_type=Text, sa_column_kwargs={"server_default": text(f"'{default}'")})


def time_column() -> Any:
    """A moment that may not have come yet."""
    return Field(default=None, sa_type=Timestamp, nullable=True)


def stamp_column() -> Any:
    """The moment of the row's making."""
    return Field(default_factory=now, sa_type=Timestamp, sa_column_kwargs={"server_default": text("now()")})


def count_column(default: int = 0) -> Any:
    return Field(default=default, sa_column_kwargs={"server_default": text(str(default))})


def flag_column(default: bool) -> Any:
    return Field(default=default, sa_column_kwargs={"server_default": text("true" if default else "false")})


def money_column(default: Decimal | None = None) -> Any:
    return Field(default=default, sa_type=Money, nullable=True)


def object_column(*, nullable: bool = False) -> Any:
    """A JSON object."""
    if nullable:
        return Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    return Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")})


def list_column() -> Any:
    """A JSON array."""
    return Field(default_factory=_empty, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")})


def ids_column(*, nullable: bool = False) -> Any:
    """An array of ids, in an order that means something."""
    if nullable:
        return Field(default=None, sa_type=ARRAY(Uuid), nullable=True)
    return Field(default_factory=_empty, sa_type=ARRAY(Uuid), sa_column_kwargs={"server_default": text("'{}'")})
