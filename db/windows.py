"""A run's window: its messages pinned in chunks, then filtered chunk by chunk, set by set, in the database."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.types import Integer, Uuid
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis import prefilter
from db.window_rules import (
    BODY,
    DROPPED,
    IN_WINDOW,
    RULED_OUT,
    TRIMMED_ONCE,
    find_unlikely,
    judge_parameters,
    rule_parameters,
    rule_values,
    window_parameters,
    window_values,
)
from models.run import AnalysisRun

CHUNK = 10_000
"""Message ids a row."""

_pin = text(
    f"""
    WITH last AS (
        SELECT chunk_no, last_sent_at, last_message_id FROM run_message_chunks
        WHERE run_id = :run ORDER BY chunk_no DESC LIMIT 1
    ), page AS (
        SELECT id, sent_at FROM messages
        WHERE {IN_WINDOW}
          AND (sent_at, id) > (
              coalesce((SELECT last_sent_at FROM last), '-infinity'),
              coalesce((SELECT last_message_id FROM last), '00000000-0000-0000-0000-000000000000')
          )
        ORDER BY sent_at, id LIMIT {CHUNK}
    )
    INSERT INTO run_message_chunks (run_id, chunk_no, message_ids, last_sent_at, last_message_id)
    SELECT :run, coalesce((SELECT chunk_no FROM last), 0) + 1, array_agg(id ORDER BY sent_at, id), max(sent_at),
           (array_agg(id ORDER BY sent_at DESC, id DESC))[1]
    FROM page HAVING count(*) > 0
    RETURNING chunk_no, cardinality(message_ids)
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*window_parameters, bindparam("run", type_=Uuid))

# A scan for all ids of a chunk at once costs a fraction of a search for each, but gives them in no order.
_judged = f"""
    judged AS MATERIALIZED (
        SELECT message.id, {DROPPED} AS reason
        FROM run_message_chunks AS chunk CROSS JOIN LATERAL (
            SELECT id, is_bot, is_system, {BODY} FROM messages
            WHERE messages.id = ANY (chunk.message_ids) {TRIMMED_ONCE}
        ) AS message
        WHERE chunk.run_id = :run AND chunk.chunk_no = :chunk_no
    )
"""  # noqa: S608 - the parts put in are constants of the code

_filter = text(
    f"""
    WITH {_judged}
    UPDATE run_message_chunks SET
        kept_ids = ARRAY(
            SELECT id FROM unnest(message_ids) WITH ORDINALITY AS listed (id, place)
            WHERE (id IN (SELECT id FROM judged WHERE reason IS NULL)) IS TRUE
            ORDER BY place
        ),
        filtered_by_reason = coalesce(
            (SELECT jsonb_object_agg(reason, n) FROM (
                SELECT reason, count(*) AS n FROM judged WHERE reason IS NOT NULL GROUP BY reason
            ) AS counted), '{{}}')
    WHERE run_id = :run AND chunk_no = :chunk_no AND kept_ids IS NULL
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*judge_parameters, bindparam("run", type_=Uuid), bindparam("chunk_no", type_=Integer))

_passed_in_chunk = text(
    f"""
    SELECT id, source_id, channel, thread_id, external_id, body, 1 AS chunk_no
    FROM run_message_chunks AS chunk
    CROSS JOIN LATERAL unnest(chunk.message_ids) WITH ORDINALITY AS listed (listed_id, place)
    JOIN LATERAL (
        SELECT id, source_id, channel, thread_id, external_id, is_bot, is_system, {BODY}
        FROM messages WHERE id = listed_id {TRIMMED_ONCE}
    ) AS message ON true
    WHERE chunk.run_id = :run AND chunk.chunk_no = :chunk_no AND {RULED_OUT} IS NULL
    ORDER BY place
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*rule_parameters, bindparam("run", type_=Uuid), bindparam("chunk_no", type_=Integer))


@dataclass(frozen=True)
class Chunk:
    """A stored chunk: its number from 1, and how many messages are in it."""

    number: int
    size: int


async def pin_chunk(session: AsyncSession, run: AnalysisRun) -> Chunk | None:
    """Store the next up to 10,000 ids of the window, in order of (sent_at, id), after the last stored chunk.

    None at the window's end. Who pins holds the run's row: two at a time would store one chunk.
    """
    row = (await session.execute(_pin, {"run": run.id, **window_values(run)})).one_or_none()
    return None if row is None else Chunk(row[0], row[1])


async def pinned(session: AsyncSession, run_id: UUID) -> int:
    """How many messages are pinned."""
    query = text("SELECT coalesce(sum(cardinality(message_ids)), 0) FROM run_message_chunks WHERE run_id = :run")
    return int(await session.scalar(query, {"run": run_id}) or 0)


async def unfiltered_chunks(session: AsyncSession, run_id: UUID) -> list[int]:
    """The numbers of the chunks that the prefilter hasn't seen."""
    query = text("SELECT chunk_no FROM run_message_chunks WHERE run_id = :run AND kept_ids IS NULL ORDER BY 1")
    return list((await session.scalars(query, {"run": run_id})).all())


async def filter_chunk(session: AsyncSession, run_id: UUID, chunk_no: int, rules: prefilter.Rules) -> None:
    """Decide for each message of the chunk whether it stays, and count the reasons of those that don't. What is decided
    stays, though an attempt that the server took for dead comes after it."""
    chunk = {"run": run_id, "chunk_no": chunk_no, **rule_values(rules)}
    unlikely = await find_unlikely(session, _passed_in_chunk, chunk) if rules.scored else []
    await session.execute(_filter, {**chunk, "unlikely": unlikely})


async def filtered(session: AsyncSession, run_id: UUID) -> tuple[int, dict[str, int]]:
    """How many messages passed the prefilter, and the reasons of the others with their counts."""
    kept = await session.scalar(
        text("SELECT coalesce(sum(cardinality(kept_ids)), 0) FROM run_message_chunks WHERE run_id = :run"),
        {"run": run_id},
    )
    reasons = await session.execute(
        text(
            "SELECT key, sum(value::int) FROM run_message_chunks, jsonb_each_text(filtered_by_reason)"
            " WHERE run_id = :run GROUP BY key ORDER BY key"
        ),
        {"run": run_id},
    )
    return int(kept or 0), {reason: int(count) for reason, count in reasons.all()}


async def kept_messages(session: AsyncSession, run_id: UUID) -> list[UUID]:
    """The ids of all messages that passed the prefilter of a small run."""
    query = text("SELECT unnest(kept_ids) FROM run_message_chunks WHERE run_id = :run")
    return list((await session.scalars(query, {"run": run_id})).all())
