"""Every error as a problem document (RFC 9457): the one translation from exceptions to replies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import asyncpg
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from db.engine import is_outage
from errors import Forbidden, GleanerError, TooLarge, Unauthorized, Unavailable, Unprocessable

MEDIA_TYPE = "application/problem+json"
_UNSTORABLE_TEXT = ("22021", "22P05")
"""SQLSTATEs of text that PostgreSQL can't hold: a NUL character, a lone surrogate."""
_NAME_CHARS = 200
_INVALID_TOKEN = ("key_invalid", "token_expired", "token_invalid")
"""Refusals of credentials that were there."""


class FieldError(BaseModel):
    """One thing that is wrong with a request. `field` is the dotted path of `loc` inside the body or query."""

    field: str
    loc: list[str | int]
    message: str
    code: str


class Problem(BaseModel):
    """A problem document. `code` is stable; `errors` is there for 422. Some codes bring members of their own."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:gleaner:problem:provider_not_found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no provider 0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10.",
                    "instance": "/api/v1/providers/0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10",
                    "code": "provider_not_found",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldError] = Field(default=[])


@dataclass(frozen=True)
class Fault:
    """What an exception means to the caller."""

    status: int
    title: str
    code: str
    detail: str
    extra: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        # ASCII, because a field's name may hold a lone surrogate, which UTF-8 can't.
        return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


def fault_of(error: Exception) -> Fault:
    """The meaning of any exception; 500 without any of its words for one that nobody expected."""
    if isinstance(error, GleanerError):
        return _of_gleaner(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error.errors())
    if isinstance(error, HTTPException):
        return _of_http(error)
    if is_outage(error):
        return _of_gleaner(Unavailable("database_unavailable", "The database does not answer. Try again."))
    if isinstance(error, DBAPIError) and (refused := _of_value(error)) is not None:
        return _of_gleaner(refused)
    return Fault(500, GleanerError.title, "internal_error", "Something went wrong here; the service's log says what.")


def respond(request: Request, error: Exception) -> ProblemResponse:
    """The reply to a request that ended in this exception."""
    fault = fault_of(error)
    members: dict[str, object] = {
        **fault.extra,
        "type": f"urn:gleaner:problem:{fault.code}",
        "title": fault.title,
        "status": fault.status,
        "detail": fault.detail,
        "instance": quote(request.scope["path"], safe="/:@"),
        "code": fault.code,
    }
    if fault.status == HTTPStatus.UNPROCESSABLE_ENTITY and "errors" not in members:
        members["errors"] = [_field_error("", [], fault.detail, fault.code)]
    return ProblemResponse(members, fault.status, headers=dict(fault.headers))


async def on_error(request: Request, error: Exception) -> ProblemResponse:
    """The handler of the exceptions that the framework itself raises."""
    return respond(request, error)


def invalid_field(name: str, code: str, message: str) -> Unprocessable:
    """422 for one field of the request, found after its schema was satisfied."""
    return Unprocessable(code, message, errors=[_field_error(name, [name], message, code)])


def _of_gleaner(error: GleanerError) -> Fault:
    headers = {"WWW-Authenticate": _challenge(error)} if isinstance(error, Unauthorized | Forbidden) else {}
    return Fault(error.status, error.title, error.code, error.detail, error.extra, headers)


def _challenge(error: Unauthorized | Forbidden) -> str:
    """What RFC 6750 wants beside a 401 or 403."""
    parts = ['Bearer realm="gleaner"']
    if error.code in _INVALID_TOKEN:
        parts.append('error="invalid_token"')
    if error.code == "insufficient_scope":
        parts += ['error="insufficient_scope"', f'scope="{error.extra["required_scope"]}"']
    return ", ".join(parts)


def _of_validation(errors: Sequence[Mapping[str, Any]]) -> Fault:
    if any(error["type"] == "json_invalid" for error in errors):
        return _invalid_json()
    listed = [_of_pydantic(error) for error in errors]
    fields = ", ".join(dict.fromkeys(str(error["field"]) for error in listed if error["field"])) or "the request"
    detail = f"Not acceptable: {fields[:_NAME_CHARS]}."
    return Fault(422, Unprocessable.title, "validation_error", detail, {"errors": listed})


def _of_pydantic(error: Mapping[str, Any]) -> dict[str, object]:
    """Without the input: a reply repeats no text that was sent, and no key."""
    loc = [part if isinstance(part, int) else str(part)[:_NAME_CHARS] for part in error["loc"]]
    path = loc[1:] if loc and loc[0] in ("body", "query", "path", "header") else loc
    return _field_error(".".join(str(part) for part in path), loc, str(error["msg"]), str(error["type"]))


def _field_error(name: str, loc: Sequence[str | int], message: str, code: str) -> dict[str, object]:
    return FieldError(field=name, loc=list(loc), message=message, code=code).model_dump()


def _invalid_json() -> Fault:
    return Fault(422, Unprocessable.title, "invalid_json", "The body is not valid JSON.")


def _of_http(error: HTTPException) -> Fault:
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # Raised by the framework alone, for a body that can't be read: no UTF-8, nested too deep, a number too long.
        return _invalid_json()
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Fault(413, TooLarge.title, "body_too_large", error.detail)
    phrase = HTTPStatus(error.status_code).phrase
    return Fault(
        error.status_code,
        phrase.capitalize(),
        phrase.lower().replace(" ", "_").replace("-", "_"),
        str(error.detail),
        headers=error.headers or {},
    )


def _of_value(error: DBAPIError) -> Unprocessable | None:
    """A value that passed the schema and that PostgreSQL can't hold, as the caller's error."""
    cause = error.orig.__cause__ if error.orig else None
    if getattr(cause, "sqlstate", None) in _UNSTORABLE_TEXT:
        return Unprocessable("invalid_text", "A text holds a NUL character or a lone surrogate.")
    # The first is JSON that PostgreSQL doesn't take; of exactly the second class is what asyncpg can't even send: a
    # number or a time out of range.
    if isinstance(cause, asyncpg.InvalidTextRepresentationError) or type(cause) is asyncpg.DataError:
        return Unprocessable(
            "invalid_value", "A value can't be stored: a number or time out of range, or a text that is none."
        )
    return None
