"""Who calls, and what they may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from api.dependencies import resources_of
from api.origins import check_local
from db import keys
from errors import Forbidden, Unauthorized
from models.actor import Actor
from models.values import Scope

_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="A key made by `gleaner keys create`. Not needed where the service runs with `GLEANER_AUTH=off`.",
)


@dataclass(frozen=True)
class Caller(Actor):
    """Whoever calls."""

    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Every scope includes `read`, and `admin` includes every scope."""
        return "admin" in self.scopes or scope in self.scopes or (scope == "read" and bool(self.scopes))


LOCAL = Caller("user", "local", "local", frozenset({"read", "review", "run", "admin"}))
"""Who calls where keys are off, which is possible only on a loopback address."""


async def authenticate(connection: HTTPConnection) -> Caller:
    """Who sends this request or opens this WebSocket, by its `Authorization` header; 401 without a valid key.

    Where keys are off it is `LOCAL`; 403 where the call then comes from a web page of another origin.
    """
    known: Caller | None = getattr(connection.state, "actor", None)
    if known is None:
        known = connection.state.actor = await _authenticated(connection)
    return known


async def _authenticated(connection: HTTPConnection) -> Caller:
    resources = resources_of(connection)
    if resources.settings.auth == "off":
        check_local(connection, resources.settings.allowed_origins)
        return LOCAL
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthorized("key_missing", "Send a key as `Authorization: Bearer glnr_…`.")
    async with resources.database.connection() as database:
        key = await keys.find(database, secret.strip())
    if key is None:
        raise Unauthorized("key_invalid", "The key is unknown, revoked or expired.")
    return Caller("key", str(key.id), key.name, key.scopes)


def check_scope(caller: Caller, scope: Scope) -> None:
    """403 `insufficient_scope` where the caller may not do this."""
    if not caller.may(scope):
        raise Forbidden("insufficient_scope", f"This needs a key with the scope {scope!r}.", required_scope=scope)


def require(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that gives the caller, if they have the scope."""

    async def check(
        connection: HTTPConnection, _: Annotated[HTTPAuthorizationCredentials | None, Security(_scheme)]
    ) -> Caller:
        caller = await authenticate(connection)
        check_scope(caller, scope)
        return caller

    return check


Reader = Annotated[Caller, Depends(require("read"))]
Reviewer = Annotated[Caller, Depends(require("review"))]
Runner = Annotated[Caller, Depends(require("run"))]
Admin = Annotated[Caller, Depends(require("admin"))]
