"""The rows of batches: planned, asked, settled."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.batches import NEW_CONVERSATION, NEW_UNIT, PlannedBatch, Stretch, place_to_cut
from analysis.estimates import Past, Work
from db.runs import LockedRun
from db.statements import On, Statement
from models.agent import LLMProvider
from models.base import now
from models.conversation import ChatMessage
from models.message import Message
from models.run import AnalysisBatch
from models.values import BatchStatus, PausedReason, ProviderType, RunStatus

CONTEXT = 5
"""Messages before a batch that are shown with it."""
STRETCH = 1000
"""Messages of one channel that the plan takes at a time."""
STRETCHES_AT_ONCE = 20
LONGEST_CHAIN = 50
"""Replies to replies that are followed."""
PAST_LOOKED_AT = 200
"""Runs among which those of a model are looked for."""
PAST_RUNS = 5
PAST_BATCHES = 100

# Texts are compared as rarely as can be: channels are numbered, and where a unit began is worked out for threads alone,
# since most messages are a unit of their own.
STRETCHES = f"""
    , replies AS (
        SELECT id, source_id, channel, external_id, reply_to FROM kept
        WHERE thread_id IS NULL AND reply_to IS NOT NULL
    ), climbed AS (
        SELECT id, source_id, channel, reply_to AS top, 0 AS steps FROM replies
        UNION ALL
        SELECT climbed.id, source_id, channel, replies.reply_to, steps + 1
        FROM climbed JOIN replies USING (source_id, channel)
        WHERE replies.external_id = climbed.top AND steps < {LONGEST_CHAIN}
    ), hanging AS (
        SELECT DISTINCT ON (climbed.id) climbed.id, coalesce(root.thread_id, top) AS root
        FROM climbed LEFT JOIN kept AS root
            ON (root.source_id, root.channel, root.external_id) = (climbed.source_id, climbed.channel, climbed.top)
        ORDER BY climbed.id, steps DESC
    ), channels AS (
        SELECT source_id, channel, row_number() OVER (ORDER BY source_id, channel) AS channel_no
        FROM (SELECT source_id, channel FROM kept WHERE NOT batched GROUP BY source_id, channel) AS named
    ), threads AS (
        SELECT source_id, channel, coalesce(thread_id, root) AS thread_id, min(sent_at) AS begun
        FROM kept LEFT JOIN hanging USING (id)
        WHERE coalesce(thread_id, root) IS NOT NULL GROUP BY source_id, channel, coalesce(thread_id, root)
    ), units AS (
        SELECT thread.source_id, thread.channel, thread.thread_id AS unit, least(thread.begun, root.sent_at) AS begun
        FROM threads AS thread LEFT JOIN kept AS root
            ON (root.source_id, root.channel, root.external_id) = (thread.source_id, thread.channel, thread.thread_id)
            AND root.thread_id IS NULL
    ), placed AS (
        SELECT kept.id, kept.sent_at, channel_no, coalesce(thread_id, root, external_id) AS unit,
               coalesce(units.begun, kept.sent_at) AS begun
        FROM kept JOIN channels USING (source_id, channel) LEFT JOIN hanging USING (id) LEFT JOIN units
            ON (units.source_id, units.channel) = (kept.source_id, kept.channel)
            AND units.unit = coalesce(thread_id, root, external_id)
        WHERE NOT batched
    ), marked AS (
        SELECT id, channel_no, row_number() OVER plan AS place, CASE
            WHEN unit = lag(unit) OVER plan THEN 0
            WHEN begun - lag(begun) OVER plan > make_interval(secs => :gap) THEN {NEW_CONVERSATION}
            ELSE {NEW_UNIT} END AS begins
        FROM placed WINDOW plan AS (PARTITION BY channel_no ORDER BY begun, unit, sent_at, id)
    ), stretches AS (
        SELECT channel_no, (place - 1) / {STRETCH} AS stretch_no, array_agg(id ORDER BY place) AS ids,
               array_agg(begins ORDER BY place) AS begins
        FROM marked GROUP BY channel_no, stretch_no
    )
    SELECT source_id, channel, ids, begins FROM stretches JOIN channels USING (channel_no)
    ORDER BY channel_no, stretch_no
"""  # noqa: S608 - the parts put in are constants of the code
"""The stretches of the messages of a common table expression `kept` (of a statement `WITH RECURSIVE`), in the order of
the plan. Those that are `batched` have no place any more, but count for where their unit began. A reply outside of any
thread is of the unit of what it replies to at last. `gap` are the seconds of silence between the beginnings of two
units that end a conversation."""

_kept_stretches = text(
    f"""
    WITH RECURSIVE kept AS MATERIALIZED (
        SELECT message.*, id IN (SELECT unnest(message_ids) FROM analysis_batches WHERE run_id = :run) AS batched
        FROM run_message_chunks AS chunk CROSS JOIN LATERAL (
            SELECT id, source_id, channel, thread_id, external_id, reply_to, sent_at
            FROM messages WHERE messages.id = ANY (chunk.kept_ids) OFFSET 0
        ) AS message
        WHERE chunk.run_id = :run
    )
    {STRETCHES}
    """  # noqa: S608 - the part put in is a constant of the code
)

# PostgreSQL has no idea how many ids an array holds. It would take few for certain, look for each among all others, and
# remember what it found for arrays that never come again.
_PLAN_SETTINGS = """
    SELECT set_config('enable_nestloop', 'off', true), set_config('enable_memoize', 'off', true),
           set_config('work_mem', '128MB', true)
"""


def kept_stretches(session: AsyncSession, run_id: UUID, gap_seconds: int) -> AsyncIterator[Stretch]:
    """The messages that passed the prefilter and are in no batch yet, in the order of the plan."""
    return stretches(session, _kept_stretches, {"run": run_id, "gap": gap_seconds})


async def stretches(session: AsyncSession, query: TextClause, values: Mapping[str, object]) -> AsyncIterator[Stretch]:
    """What a query that ends in `STRETCHES` finds. For the rest of its transaction the session is one that plans."""
    await session.execute(text(_PLAN_SETTINGS))
    # Both are needed: `yield_per` has the database hold rows back, and a partition without a size is everything.
    rows = await session.stream(query, values, execution_options={"yield_per": STRETCHES_AT_ONCE})
    async for part in rows.partitions(STRETCHES_AT_ONCE):
        for row in part:
            yield Stretch(*row)


_add = text(
    """
    INSERT INTO analysis_batches (run_id, batch_no, source_id, channel, message_ids, message_count)
    SELECT :run, :stored + number, source_id, channel, (CAST(:ids AS uuid[]))[past - size + 1 : past], size
    FROM (
        SELECT *, sum(size) OVER (ORDER BY number) AS past
        FROM unnest(CAST(:sources AS uuid[]), CAST(:channels AS text[]), CAST(:sizes AS integer[]))
            WITH ORDINALITY AS given (source_id, channel, size, number)
    ) AS planned
    """
)


async def add(held: LockedRun, planned: Sequence[PlannedBatch]) -> None:
    """Store planned batches, numbered on from those that the run has, and count them."""
    values = {
        "run": held.run.id,
        "stored": held.run.batches_created,
        "sources": [batch.source_id for batch in planned],
        "channels": [batch.channel for batch in planned],
        "sizes": [len(batch.message_ids) for batch in planned],
        "ids": [message_id for batch in planned for message_id in batch.message_ids],
    }
    await held.session.execute(_add, values)
    held.run.batches_created += len(planned)


async def unsettled(session: AsyncSession, run_id: UUID) -> list[int]:
    """The numbers of the batches that nobody settled, in order."""
    query = (
        select(AnalysisBatch.batch_no)
        .where(col(AnalysisBatch.run_id) == run_id, col(AnalysisBatch.status).in_(("waiting", "running")))
        .order_by(col(AnalysisBatch.batch_no))
    )
    return list((await session.exec(query)).all())


async def listed(session: AsyncSession, run_id: UUID, after_no: int, limit: int) -> list[AnalysisBatch]:
    """The run's batches with numbers above `after_no`, in order."""
    query = (
        select(AnalysisBatch)
        .where(col(AnalysisBatch.run_id) == run_id, col(AnalysisBatch.batch_no) > after_no)
        .order_by(col(AnalysisBatch.batch_no))
        .limit(limit)
    )
    return list((await session.exec(query)).all())


async def count(session: AsyncSession, run_id: UUID) -> int:
    """How many batches the run has, those that were split among them."""
    query = select(func.count()).select_from(AnalysisBatch).where(col(AnalysisBatch.run_id) == run_id)
    return (await session.exec(query)).one()


_past = text(
    f"""
    WITH latest AS MATERIALIZED (
        SELECT * FROM analysis_runs ORDER BY created_at DESC, id DESC LIMIT {PAST_LOOKED_AT}
    ), recent AS (
        SELECT id FROM latest
        WHERE config_snapshot #>> '{{agent,model_name}}' = :model AND config_snapshot #>> '{{provider,type}}' = :type
          AND llm_requests > 0
        ORDER BY created_at DESC LIMIT {PAST_RUNS}
    ), asked AS (
        SELECT batch.message_ids, batch.input_tokens, batch.output_tokens
        FROM recent JOIN analysis_batches AS batch ON batch.run_id = recent.id
        WHERE batch.status = 'completed' AND batch.llm_requests = 1 AND batch.input_tokens > 0
        ORDER BY batch.run_id DESC, batch.batch_no LIMIT {PAST_BATCHES}
    )
    SELECT count(*), coalesce(sum(cardinality(message_ids)), 0), coalesce(sum(said.characters), 0),
           coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0)
    FROM asked CROSS JOIN LATERAL (
        SELECT sum(char_length(content)) AS characters FROM messages WHERE id = ANY (asked.message_ids)
    ) AS said
    """  # noqa: S608 - the parts put in are constants of the code
)


async def past_usage(session: AsyncSession, provider_type: ProviderType, model: str) -> Past | None:
    """What the model's latest batches used, each in one request; None where it has settled none."""
    row = (await session.execute(_past, {"model": model, "type": provider_type})).one()
    count, messages, characters, input_tokens, output_tokens = map(int, row)
    return Past(Work(count, messages, characters), input_tokens, output_tokens) if count else None


_SHOWN = ", ".join(  # as a `ChatMessage` has it
    f"message.{name}"
    for name in (
        *("id", "channel", "author", "sent_at", "content"),
        *("thread_id", "reply_to", "is_bot", "external_id", "utc_offset"),
    )
)
_messages = Statement(
    f"""
    SELECT {_SHOWN} FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS wanted (id, place)
    JOIN messages AS message ON message.id = wanted.id ORDER BY place
    """  # noqa: S608 - the part put in is a constant of the code
)


async def messages(on: On, ids: Sequence[UUID]) -> list[ChatMessage]:
    """The messages in the order of `ids`; one that was deleted since is left out."""
    return [ChatMessage(*row) for row in await _messages.rows(on, {"ids": list(ids)})]


@dataclass(frozen=True)
class Asked:
    """A batch with all that a question about it is made of, as it is now."""

    run_status: RunStatus
    paused_reason: PausedReason | None
    working_since: datetime
    batches_created: int
    options: dict[str, Any]
    snapshot: dict[str, Any]
    status: BatchStatus
    fingerprint: str | None
    message_ids: list[UUID]
    provider: LLMProvider | None
    messages: list[ChatMessage]
    earlier: list[ChatMessage]
    """The last messages of the batch that was planned before, where it is of the same channel: what was said before,
    and nothing that comes in later can change it."""


_PROVIDER = tuple(name for name in LLMProvider.model_fields if not name.endswith("_at"))
_asked = Statement(
    f"""
    SELECT run.status, run.paused_reason, coalesce(run.working_since, run.created_at), run.batches_created,
           run.options, run.config_snapshot, batch.status, batch.fingerprint, batch.message_ids,
           ARRAY(SELECT ROW ({_SHOWN}) FROM unnest(batch.message_ids) WITH ORDINALITY AS wanted (id, place)
                 JOIN messages AS message ON message.id = wanted.id ORDER BY place),
           ARRAY(SELECT ROW ({_SHOWN}) FROM analysis_batches AS before, unnest(
                     before.message_ids[greatest(cardinality(before.message_ids) - {CONTEXT} + 1, 1):]
                 ) WITH ORDINALITY AS wanted (id, place)
                 JOIN messages AS message ON message.id = wanted.id
                 WHERE before.run_id = batch.run_id AND before.batch_no = batch.batch_no - 1
                   AND before.source_id = batch.source_id AND before.channel = batch.channel ORDER BY place),
           {", ".join(f"provider.{name}" for name in _PROVIDER)}
    FROM analysis_runs AS run JOIN analysis_batches AS batch ON batch.run_id = run.id
    LEFT JOIN llm_providers AS provider ON provider.id = CAST(run.config_snapshot #>> '{{provider,id}}' AS uuid)
    WHERE run.id = :run AND batch.batch_no = :batch_no
    """  # noqa: S608 - the parts put in are constants of the code
)


async def asked(on: On, run_id: UUID, batch_no: int) -> Asked:
    """The batch, its run, its messages and its provider, in one statement."""
    row = await _asked.row(on, {"run": run_id, "batch_no": batch_no})
    assert row is not None
    status, paused_reason, since, created, options, snapshot, batch_status, name, ids, shown, earlier, *provider = row
    return Asked(
        status,
        paused_reason,
        since,
        created,
        options,
        snapshot,
        batch_status,
        name,
        ids,
        None if provider[0] is None else LLMProvider(**dict(zip(_PROVIDER, provider, strict=True))),
        [ChatMessage(*message) for message in shown],
        [ChatMessage(*message) for message in earlier],
    )


async def lock_unsettled(held: LockedRun, batch_no: int) -> AnalysisBatch | None:
    """The batch, locked, if this is the time to settle it; None when it was settled or the run is over."""
    if held.run.status not in ("running", "paused"):
        return None
    batch = await held.session.get(AnalysisBatch, (held.run.id, batch_no), with_for_update=True)
    return batch if batch is not None and batch.status in ("waiting", "running") else None


async def fail(held: LockedRun, batch: AnalysisBatch, error: str) -> None:
    """Count the batch as failed for good, and tell."""
    batch.status, batch.error, batch.settled_at = "failed", error, now()
    held.run.batches_failed += 1
    await tell_progress(held)
    await held.record(
        "batch_failed",
        {"run_id": str(held.run.id), "batch_no": batch.batch_no, "error": error, "attempts": batch.attempts},
    )


async def tell_progress(held: LockedRun) -> None:
    """Bring the run's per cent up to what is settled, and tell."""
    run = held.run
    settled = run.batches_completed + run.batches_failed
    run.progress_percent = max(run.progress_percent, percent(settled, run.batches_created))
    await held.record(
        "progress_updated",
        {
            "run_id": str(run.id),
            "current_batch": settled,
            "total_batches": run.batches_created,
            "progress_percent": run.progress_percent,
        },
    )


async def split(held: LockedRun, batch: AnalysisBatch) -> list[int]:
    """Put two batches with the next numbers in the place of one (locked, of two messages or more); returns these."""
    run, ids = held.run, batch.message_ids
    units = await _units(held.session, ids)
    cut = place_to_cut([units.get(message_id, ("", run.time_window_start)) for message_id in ids])
    last = await held.session.scalar(
        select(func.max(AnalysisBatch.batch_no)).where(col(AnalysisBatch.run_id) == run.id)
    )
    numbers = [int(last or 0) + 1, int(last or 0) + 2]
    for number, part in zip(numbers, (ids[:cut], ids[cut:]), strict=True):
        held.session.add(
            AnalysisBatch(
                run_id=run.id,
                batch_no=number,
                source_id=batch.source_id,
                channel=batch.channel,
                message_ids=part,
                message_count=len(part),
                split_from=batch.batch_no,
            )
        )
    batch.status = "split"
    batch.settled_at = now()
    run.batches_created += 1
    await held.record(
        "batch_split",
        {"run_id": str(run.id), "batch_no": batch.batch_no, "into": numbers, "total_batches": run.batches_created},
    )
    return numbers


async def parts(session: AsyncSession, run_id: UUID, batch_no: int) -> list[int]:
    """The numbers of the batches that took the place of a split one, where they wait."""
    query = (
        select(AnalysisBatch.batch_no)
        .where(
            col(AnalysisBatch.run_id) == run_id,
            col(AnalysisBatch.split_from) == batch_no,
            col(AnalysisBatch.status).in_(("waiting", "running")),
        )
        .order_by(col(AnalysisBatch.batch_no))
    )
    return list((await session.exec(query)).all())


async def _units(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, tuple[str, datetime]]:
    """Each message's unit (its thread, or itself) and its time."""
    unit = func.coalesce(col(Message.thread_id), col(Message.external_id))
    query = select(Message.id, unit, Message.sent_at).where(col(Message.id).in_(list(ids)))
    return {row[0]: (row[1], row[2]) for row in (await session.exec(query)).all()}


def percent(settled: int, total: int) -> int:
    """Whole per cent, 100 only when all is settled (also where there was nothing to settle)."""
    return 100 * settled // total if total else 100
