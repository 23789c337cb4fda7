"""The keys of the API: made, listed, revoked, found. Only a hash of a key is stored."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import audit
from db.statements import Connection, Statement
from errors import Conflict, NotFound, Unprocessable
from models.actor import LOCAL, SYSTEM, Actor
from models.base import now
from models.service import ApiKey
from models.values import Scope

_PREFIX = "glnr_"
_SHOWN = len(_PREFIX) + 8


@dataclass(frozen=True)
class NewKey:
    """A key's row, and its secret, which nobody can read again."""

    row: ApiKey
    secret: str


async def create(
    session: AsyncSession,
    name: str,
    scopes: Sequence[Scope],
    *,
    expires_at: datetime | None = None,
    actor: Actor = LOCAL,
) -> NewKey:
    """Make a key of 256 random bits. 422 `key_name_reserved` for the name that the service's own decisions carry."""
    if name == SYSTEM.name:
        raise Unprocessable("key_name_reserved", f"{name!r} is the name of what Gleaner decides by itself.")
    secret = _PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(
        name=name,
        prefix=secret[:_SHOWN],
        key_hash=_hash(secret),
        scopes=list(dict.fromkeys(scopes)),
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    audit.write(session, actor, "create", "api_key", row.id, before=None, after=_audited(row))
    return NewKey(row, secret)


async def listed(session: AsyncSession) -> list[ApiKey]:
    """Every key, the newest first, revoked and expired ones too."""
    query = select(ApiKey).order_by(col(ApiKey.created_at).desc(), col(ApiKey.id).desc())
    return list((await session.exec(query)).all())


async def revoke(session: AsyncSession, which: str, *, actor: Actor = LOCAL) -> ApiKey:
    """End the key of this id, or of the prefix that the list shows; ending it twice changes nothing.

    404 `key_not_found`; 409 `key_ambiguous` where the prefix is of several.
    """
    query = select(ApiKey).where(_named(which)).with_for_update()
    found = (await session.exec(query)).all()
    if not found:
        raise NotFound("key_not_found", f"There is no key {which}.")
    if len(found) > 1:
        raise Conflict("key_ambiguous", f"{len(found)} keys begin with {which}; name one by its id.")
    [row] = found
    if row.revoked_at is None:
        before = _audited(row)
        row.revoked_at = now()
        audit.write(session, actor, "revoke", "api_key", row.id, before=before, after=_audited(row))
    return row


def _audited(row: ApiKey) -> dict[str, object]:
    return row.model_dump(include={"name", "prefix", "scopes", "expires_at", "revoked_at"})


@dataclass(frozen=True)
class ValidKey:
    """Whose key it is, and what it opens."""

    id: UUID
    name: str
    scopes: frozenset[str]


# Asked in every request, and so past the session, which takes ten times as long as the query.
_valid = Statement(
    """
    SELECT id, name, scopes FROM api_keys
    WHERE key_hash = :hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
    """
)


async def find(connection: Connection, secret: str) -> ValidKey | None:
    """The key with this secret, if it is neither revoked nor expired."""
    row = await _valid.row(connection, {"hash": _hash(secret), "now": now()})
    return None if row is None else ValidKey(row[0], row[1], frozenset(row[2]))


def _named(which: str) -> ColumnElement[bool]:
    try:
        return col(ApiKey.id) == UUID(which)
    except ValueError:
        return col(ApiKey.prefix) == which


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
