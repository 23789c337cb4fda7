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
from models.values import Scope

_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="A key made by `gleaner keys create`. Not needed where the service runs with `GLEANER_AUTH=off`.",
)


@dataclass(frozen=True)
class Actor:
    """Whoever calls. `id` is stable and unique, `name` is what reviews and runs are signed with."""

    id: str
    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Every scope includes `read`, and `admin` includes every scope."""
        return "admin" in self.scopes or scope in self.scopes or (scope == "read" and bool(self.scopes))


LOCAL = Actor("local", "local", frozenset({"read", "review", "run", "admin"}))
"""Who calls where keys are off, which is possible only on a loopback address."""


async def authenticate(connection: HTTPConnection) -> Actor:
    """Who sends this request or opens this WebSocket, by its `Authorization` header; 401 without a valid key.

    Where keys are off it is `LOCAL`; 403 where the call then comes from a web page of another origin.
    """
    known: Actor | None = getattr(connection.state, "actor", None)
    if known is None:
        known = connection.state.actor = await _authenticated(connection)
    return known


async def _authenticated(connection: HTTPConnection) -> Actor:
    resources = resources_of(connection)
    if resources.settings.auth == "off":
        check_local(connection, resources.settings.allowed_origins)
        return LOCAL
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthorized("key_missing", "Send a key as `Authorization: Bearer glnr_…`.")
    async with resources.database.transaction() as session:
        key = await keys.find(session, secret.strip())
    if key is None:
        raise Unauthorized("key_invalid", "The key is unknown, revoked or expired.")
    return Actor(str(key.id), key.name, frozenset(key.scopes))


def check_scope(actor: Actor, scope: Scope) -> None:
    """403 `insufficient_scope` where the actor may not do this."""
    if not actor.may(scope):
        raise Forbidden("insufficient_scope", f"This needs a key with the scope {scope!r}.", required_scope=scope)


def require(scope: Scope) -> Callable[..., Awaitable[Actor]]:
    """A dependency that gives the caller, if they have the scope."""

    async def check(
        connection: HTTPConnection, _: Annotated[HTTPAuthorizationCredentials | None, Security(_scheme)]
    ) -> Actor:
        actor = await authenticate(connection)
        check_scope(actor, scope)
        return actor

    return check


Reader = Annotated[Actor, Depends(require("read"))]
Reviewer = Annotated[Actor, Depends(require("review"))]
Runner = Annotated[Actor, Depends(require("run"))]
Admin = Annotated[Actor, Depends(require("admin"))]
