"""A run's window: its messages pinned in chunks, then filtered chunk by chunk, set by set, in the database."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.types import ARRAY, Boolean, Integer, Text, Uuid
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis import prefilter
from analysis.asks import Passed, Places, shipped
from analysis.batches import Stretch
from db.plans import STRETCHES, stretches
from models.base import Timestamp
from models.run import AnalysisRun

CHUNK = 10_000
"""Message ids a row."""
SCORED_AT_ONCE = 2000
SAMPLES = 3
"""Messages that a preview shows of each reason, the first ones."""
SAMPLE_CHARS = 200

_IN_WINDOW = """
    sent_at >= :start AND sent_at < :end
    AND (CAST(:sources AS uuid[]) IS NULL OR source_id = ANY (CAST(:sources AS uuid[])))
    AND (CAST(:channels AS text[]) IS NULL OR channel = ANY (CAST(:channels AS text[])))
    AND (CAST(:authors AS text[]) IS NULL OR author = ANY (CAST(:authors AS text[])))
"""

_window_parameters = (
    bindparam("start", type_=Timestamp),
    bindparam("end", type_=Timestamp),
    bindparam("sources", type_=ARRAY(Uuid)),
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("authors", type_=ARRAY(Text)),
)

# What costs little stands before what costs much: a search for a pattern looks at the whole text, and most texts are
# neither short nor hold a bracket or an @.
_RULED_OUT = f"""
    CASE
        WHEN NOT :active THEN NULL
        WHEN is_bot THEN 'bot'
        WHEN is_system THEN 'system'
        WHEN strpos(body, '[') > 0 AND body ~* :placeholder THEN 'placeholder'
        WHEN body !~ :has_text THEN 'no_text'
        WHEN CAST(:keywords AS text) IS NULL AND char_length(body) >= {prefilter.SHORT} THEN NULL
        WHEN CAST(:keywords AS text) IS NOT NULL AND body ~* CAST(:keywords AS text) THEN NULL
        WHEN strpos(body, '@') > 0 AND body ~ :mention THEN NULL
        WHEN char_length(body) < {prefilter.SHORT} AND body !~ :two_words THEN 'too_short'
        WHEN char_length(body) < {prefilter.SHORT} AND body ~* :small_talk THEN 'small_talk'
        WHEN CAST(:keywords AS text) IS NOT NULL THEN 'no_keyword'
    END
"""

_DROPPED = f"coalesce({_RULED_OUT}, CASE WHEN id IN (SELECT unnest(CAST(:unlikely AS uuid[]))) THEN 'unlikely' END)"

_rule_parameters = (
    bindparam("active", type_=Boolean),
    bindparam("placeholder", prefilter.PLACEHOLDER, type_=Text),
    bindparam("has_text", prefilter.HAS_TEXT, type_=Text),
    bindparam("mention", prefilter.MENTION, type_=Text),
    bindparam("two_words", prefilter.TWO_WORDS, type_=Text),
    bindparam("small_talk", prefilter.SMALL_TALK, type_=Text),
    bindparam("keywords", type_=Text),
)
_judge_parameters = (*_rule_parameters, bindparam("unlikely", type_=ARRAY(Uuid)))

# Postgres' own C.UTF-8 collation knows what a letter is in every script, whatever the database's locale.
_BODY = "btrim(content, E' \\t\\r\\n') COLLATE pg_c_utf8 AS body"
# Otherwise the text would be trimmed anew wherever a rule looks at it.
_TRIMMED_ONCE = "OFFSET 0"

_pin = text(
    f"""
    WITH last AS (
        SELECT chunk_no, last_sent_at, last_message_id FROM run_message_chunks
        WHERE run_id = :run ORDER BY chunk_no DESC LIMIT 1
    ), page AS (
        SELECT id, sent_at FROM messages
        WHERE {_IN_WINDOW}
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
).bindparams(*_window_parameters, bindparam("run", type_=Uuid))

# A scan for all ids of a chunk at once costs a fraction of a search for each, but gives them in no order.
_judged = f"""
    judged AS MATERIALIZED (
        SELECT message.id, {_DROPPED} AS reason
        FROM run_message_chunks AS chunk CROSS JOIN LATERAL (
            SELECT id, is_bot, is_system, {_BODY} FROM messages
            WHERE messages.id = ANY (chunk.message_ids) {_TRIMMED_ONCE}
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
    WHERE run_id = :run AND chunk_no = :chunk_no
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*_judge_parameters, bindparam("run", type_=Uuid), bindparam("chunk_no", type_=Integer))

_passed_in_chunk = text(
    f"""
    SELECT id, source_id, channel, thread_id, external_id, body, 1 AS chunk_no
    FROM run_message_chunks AS chunk
    CROSS JOIN LATERAL unnest(chunk.message_ids) WITH ORDINALITY AS listed (listed_id, place)
    JOIN LATERAL (
        SELECT id, source_id, channel, thread_id, external_id, is_bot, is_system, {_BODY}
        FROM messages WHERE id = listed_id {_TRIMMED_ONCE}
    ) AS message ON true
    WHERE chunk.run_id = :run AND chunk.chunk_no = :chunk_no AND {_RULED_OUT} IS NULL
    ORDER BY place
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*_rule_parameters, bindparam("run", type_=Uuid), bindparam("chunk_no", type_=Integer))

_passed_in_window = text(
    f"""
    SELECT id, source_id, channel, thread_id, external_id, body, chunk_no
    FROM (
        SELECT *, {_BODY}, (row_number() OVER (ORDER BY sent_at, id) - 1) / {CHUNK} AS chunk_no
        FROM messages WHERE {_IN_WINDOW} {_TRIMMED_ONCE}
    ) AS message
    WHERE {_RULED_OUT} IS NULL
    ORDER BY sent_at, id
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*_window_parameters, *_rule_parameters)

_preview = text(
    f"""
    WITH body AS (
        SELECT id, is_bot, is_system, char_length(content) AS size, {_BODY}
        FROM messages WHERE {_IN_WINDOW} {_TRIMMED_ONCE}
    ), judged AS (SELECT size, {_DROPPED} AS reason FROM body)
    SELECT coalesce(reason, ''), count(*), coalesce(sum(size), 0) FROM judged GROUP BY 1
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*_window_parameters, *_judge_parameters)

_preview_samples = text(
    f"""
    WITH body AS (SELECT *, {_BODY} FROM messages WHERE {_IN_WINDOW} {_TRIMMED_ONCE}),
    judged AS (SELECT id, channel, author, sent_at, left(body, {SAMPLE_CHARS}) AS shown, {_DROPPED} AS reason FROM body)
    SELECT reason, id, channel, author, sent_at, shown
    FROM (SELECT *, row_number() OVER (PARTITION BY reason ORDER BY sent_at, id) AS place FROM judged) AS numbered
    WHERE reason IS NOT NULL AND place <= {SAMPLES}
    ORDER BY reason, place
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*_window_parameters, *_judge_parameters)

_preview_stretches = text(
    f"""
    WITH RECURSIVE body AS (SELECT *, {_BODY} FROM messages WHERE {_IN_WINDOW} {_TRIMMED_ONCE}),
    kept AS MATERIALIZED (
        SELECT id, source_id, channel, thread_id, external_id, reply_to, sent_at, false AS batched
        FROM body WHERE {_DROPPED} IS NULL
    )
    {STRETCHES}
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*_window_parameters, *_judge_parameters)


@dataclass(frozen=True)
class Chunk:
    """A stored chunk: its number from 1, and how many messages are in it."""

    number: int
    size: int


@dataclass(frozen=True)
class Sample:
    """A message that the prefilter drops, and the first of its characters."""

    message_id: UUID
    channel: str
    author: str
    sent_at: datetime
    text: str


@dataclass(frozen=True)
class Preview:
    """What a run would see: counts of messages, the characters of those that pass the prefilter, and by the reason a
    few of the others."""

    total: int
    kept: int
    characters: int
    filtered_by_reason: dict[str, int]
    samples: dict[str, list[Sample]]
    unlikely: Sequence[UUID]


def _window_values(run: AnalysisRun) -> dict[str, object]:
    """The parameters of `_IN_WINDOW`; an empty list of a filter means no filter."""
    sources = run.filters.get("source_ids")
    return {
        "start": run.time_window_start,
        "end": run.time_window_end,
        "sources": [UUID(str(source)) for source in sources] if sources else None,
        "channels": run.filters.get("channels") or None,
        "authors": run.filters.get("authors") or None,
    }


async def pin_chunk(session: AsyncSession, run: AnalysisRun) -> Chunk | None:
    """Store the next up to 10,000 ids of the window, in order of (sent_at, id), after the last stored chunk.

    None at the window's end. Who pins holds the run's row: two at a time would store one chunk.
    """
    row = (await session.execute(_pin, {"run": run.id, **_window_values(run)})).one_or_none()
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
    """Decide for each message of the chunk whether it stays, and count the reasons of those that don't."""
    chunk = {"run": run_id, "chunk_no": chunk_no, **_rule_values(rules)}
    unlikely = await _unlikely(session, _passed_in_chunk, chunk) if rules.scored else []
    await session.execute(_filter, {**chunk, "unlikely": unlikely})


def _rule_values(rules: prefilter.Rules) -> dict[str, object]:
    return {"active": rules.active, "keywords": rules.keywords}


async def _unlikely(session: AsyncSession, query: TextClause, values: Mapping[str, object]) -> list[UUID]:
    """Those of the messages, which the rules let pass, that ask for nothing and promise nothing."""
    asks = shipped()
    found: list[UUID] = []
    places = Places()
    rows = await session.stream(query, values, execution_options={"yield_per": SCORED_AT_ONCE})
    async for part in rows.partitions(SCORED_AT_ONCE):
        passed = [_passed(row) for row in part]
        # The scoring is work for a processor: the thread lets heartbeats go on.
        found += await asyncio.to_thread(places.unlikely, passed, asks.may_ask)
    return found


def _passed(row: Row[Any]) -> Passed:
    channel = (row.chunk_no, row.source_id, row.channel)
    thread = (*channel, row.thread_id or row.external_id)
    return Passed(row.id, channel if row.thread_id in (None, row.external_id) else thread, thread, row.body)


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


async def preview(session: AsyncSession, run: AnalysisRun, rules: prefilter.Rules) -> Preview:
    """What the run's window holds and what the prefilter would leave of it; stores nothing."""
    values = {**_window_values(run), **_rule_values(rules)}
    unlikely = await _unlikely(session, _passed_in_window, values) if rules.scored else []
    values["unlikely"] = unlikely
    rows = (await session.execute(_preview, values)).all()
    kept = [(int(count), int(size)) for reason, count, size in rows if not reason]
    samples: dict[str, list[Sample]] = {}
    for reason, *shown in (await session.execute(_preview_samples, values)).all():
        samples.setdefault(reason, []).append(Sample(*shown))
    return Preview(
        total=sum(int(count) for _, count, _ in rows),
        kept=sum(count for count, _ in kept),
        characters=sum(size for _, size in kept),
        filtered_by_reason={str(reason): int(count) for reason, count, _ in rows if reason},
        samples=samples,
        unlikely=unlikely,
    )


def preview_stretches(
    session: AsyncSession, run: AnalysisRun, rules: prefilter.Rules, unlikely: Sequence[UUID] = ()
) -> AsyncIterator[Stretch]:
    """The messages that a run would batch, in the order of its plan, without those that the preview found `unlikely`;
    stores nothing."""
    gap = int(run.options["time_gap_seconds"])
    values = {**_window_values(run), **_rule_values(rules), "unlikely": list(unlikely), "gap": gap}
    return stretches(session, _preview_stretches, values)
