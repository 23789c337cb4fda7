"""Types of fields that several schemas share, and their two bases."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from models.texts import is_storable

MAX_INTEGER = 2**31 - 1
"""The largest number of a PostgreSQL integer."""


def _storable(text: str) -> str:
    if not is_storable(text):
        raise PydanticCustomError("invalid_text", "a text can't hold a NUL character or a lone surrogate")
    return text


Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_storable)]
Prompt = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_storable)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_storable)]
Count = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Share = Annotated[float, Field(ge=0, le=1)]
Price = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=17, decimal_places=10)]
"""US dollars per million tokens."""
JsonObject = dict[str, JsonValue]


class Body(BaseModel):
    """A request's body: a field that nobody knows is an error, not a wish that is quietly ignored."""

    model_config = ConfigDict(extra="forbid")


class NoFields(Body):
    """What may be sent with a command that takes nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Patch(Body):
    """A partial change: a field that isn't named stays as it is. Only the fields in `nullable` can be set to null."""

    nullable: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _null_where_allowed(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.field_name not in cls.nullable:
            raise PydanticCustomError("null_forbidden", "can't be null; leave the field out to keep its value")
        return value

    def named(self) -> dict[str, Any]:
        """The fields that the caller named, with their values."""
        return self.model_dump(include=self.model_fields_set)
