"""First replies to requests that named an `Idempotency-Key`, kept for a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from errors import Conflict, Unprocessable
from models.base import now
from models.service import IdempotencyKey

KEPT = timedelta(hours=24)
TAKEN_OVER_AFTER = timedelta(seconds=60)
"""A request that has been under way for so long died with its process: the next one takes its place."""

_forget_some = text(
    """
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys WHERE created_at < :before LIMIT 100 FOR UPDATE SKIP LOCKED
    ))
    """
)


@dataclass(frozen=True)
class Claim:
    """The right to answer under the key. `since` tells this claim from one that took it over."""

    actor: str
    key: str
    since: datetime


@dataclass(frozen=True)
class KeptReply:
    """The first reply, byte for byte."""

    status: int
    media_type: str
    text: str


async def claim(session: AsyncSession, actor: str, key: str, request_hash: bytes) -> Claim | KeptReply:
    """The claim, or the reply that was given before.

    422 `idempotency_key_reused` where the key is another request's, 409 `idempotency_in_flight` while the first one is
    under way. Must be committed before the request is worked on.
    """
    at = now()
    await session.execute(_forget_some, {"before": at - KEPT})
    fresh = {"request_hash": request_hash, "status": None, "body": None, "created_at": at}
    is_old = col(IdempotencyKey.created_at) < at - KEPT
    is_dead = col(IdempotencyKey.status).is_(None) & (col(IdempotencyKey.created_at) < at - TAKEN_OVER_AFTER)
    is_same = col(IdempotencyKey.request_hash) == request_hash
    statement = insert(IdempotencyKey).values(actor=actor, key=key, **fresh)
    claimed = await session.execute(
        statement.on_conflict_do_update(
            index_elements=["actor", "key"], set_=fresh, where=is_old | (is_dead & is_same)
        ).returning(col(IdempotencyKey.created_at))
    )
    if claimed.scalar_one_or_none() is not None:
        return Claim(actor, key, at)
    return await _kept(session, actor, key, request_hash)


async def _kept(session: AsyncSession, actor: str, key: str, request_hash: bytes) -> KeptReply:
    query = select(IdempotencyKey).where(col(IdempotencyKey.actor) == actor, col(IdempotencyKey.key) == key)
    row = (await session.exec(query)).one_or_none()
    if row is not None and row.request_hash != request_hash:
        raise Unprocessable("idempotency_key_reused", "This Idempotency-Key was used for another request.")
    if row is None or row.status is None or row.body is None:
        raise Conflict("idempotency_in_flight", "The first request with this Idempotency-Key is still under way.")
    return KeptReply(row.status, row.body["media_type"], row.body["text"])


async def keep(session: AsyncSession, claimed: Claim, reply: KeptReply) -> None:
    """Store the reply for whoever asks again."""
    body = {"media_type": reply.media_type, "text": reply.text}
    await session.exec(update(IdempotencyKey).where(*_is(claimed)).values(status=reply.status, body=body))


async def release(session: AsyncSession, claimed: Claim) -> None:
    """Give the key back: what happened is no final reply, and the same request may try again."""
    await session.exec(delete(IdempotencyKey).where(*_is(claimed)))


def _is(claimed: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        col(IdempotencyKey.actor) == claimed.actor,
        col(IdempotencyKey.key) == claimed.key,
        col(IdempotencyKey.created_at) == claimed.since,
    )
