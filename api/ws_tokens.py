"""Short-lived tokens for the two places where a browser can't send a key: the WebSocket and the event stream.

A token opens connections until it expires; one that is open stays open. It stands in an address, which logs and
histories keep, so it lives for minutes and may be bound to one run.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import HTTPConnection

from api.auth import Reader, authenticate, check_scope
from api.dependencies import Api, resources_of
from db import runs
from errors import Forbidden, Unauthorized, Unprocessable
from models.base import now
from settings import Settings

AUDIENCE = "gleaner-events"
ALGORITHM = "HS256"

router = APIRouter(tags=["events"])


class TokenRequest(BaseModel):
    """What the token is for. Without `run_id` it opens the events of every run. `ttl_seconds` is its life."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ttl_seconds": 60}]})

    run_id: UUID | None = None
    ttl_seconds: Annotated[int, Field(ge=60, le=300)] = 60


class Token(BaseModel):
    """A token for `?token=`."""

    token: str
    expires_at: datetime
    run_id: UUID | None


class _Claims(BaseModel):
    """What a token says besides its expiry and audience."""

    sub: str
    run_id: UUID | None = None


@dataclass(frozen=True)
class EventAccess:
    """Leave to hear events: of one run, or with None of every run."""

    run_id: UUID | None = None

    def check(self, run_id: UUID) -> None:
        """403 `run_forbidden` where the token is for another run."""
        if self.run_id is not None and self.run_id != run_id:
            raise Forbidden("run_forbidden", "This token is for another run.")


@router.post("/ws-tokens")
async def create_token(actor: Reader, resources: Api, body: TokenRequest | None = None) -> Token:
    """A token for `/ws?token=` and `/analysis/runs/{id}/stream?token=`, for clients that can't send a key there.

    404 `run_not_found`; 422 `secret_key_missing` where the service has nothing to sign with.
    """
    wanted = body or TokenRequest()
    if wanted.run_id is not None:
        async with resources.database.transaction() as session:
            await runs.get(session, wanted.run_id)
    issued_at = now()
    expires_at = (issued_at + timedelta(seconds=wanted.ttl_seconds)).replace(microsecond=0)
    claims = {"sub": actor.id, "aud": AUDIENCE, "iat": issued_at, "exp": expires_at}
    if wanted.run_id is not None:
        claims["run_id"] = str(wanted.run_id)
    token = jwt.encode(claims, _signing_key(resources.settings), algorithm=ALGORITHM)
    return Token(token=token, expires_at=expires_at, run_id=wanted.run_id)


def verified(settings: Settings, token: str) -> EventAccess:
    """What the token allows; 401 `token_expired` or `token_invalid`."""
    if settings.secret_key is None:
        raise Unauthorized("token_invalid", "This service has no GLEANER_SECRET_KEY, so it has given no token.")
    try:
        claims = jwt.decode(
            token,
            _signing_key(settings),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["exp", "aud", "sub"]},
        )
        return EventAccess(_Claims.model_validate(claims).run_id)
    except jwt.ExpiredSignatureError:
        raise Unauthorized("token_expired", "The token has expired; get a new one from POST /ws-tokens.") from None
    except (jwt.InvalidTokenError, ValidationError):
        raise Unauthorized("token_invalid", "The token is not one of this service.") from None


async def event_access(connection: HTTPConnection) -> EventAccess:
    """Which events the caller may hear, by `?token=` or else by its key; 401, or 403 without the scope `read`. A token
    that is given is looked at where keys are off, too: who sends one wants it to count."""
    token = connection.query_params.get("token")
    if token:
        return verified(resources_of(connection).settings, token)
    check_scope(await authenticate(connection), "read")
    return EventAccess()


def _signing_key(settings: Settings) -> bytes:
    """A key of its own, so that no token is of use where the secret key serves something else."""
    if settings.secret_key is None:
        raise Unprocessable("secret_key_missing", "Set GLEANER_SECRET_KEY on the service before asking for tokens.")
    return hashlib.sha256(f"gleaner-events:{settings.secret_key.get_secret_value()}".encode()).digest()
