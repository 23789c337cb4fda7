"""The plan of a run: what passed the prefilter in the order of its conversations, and the batches made of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.batches import NEW_CONVERSATION, NEW_UNIT, PlannedBatch, Stretch
from db.runs import LockedRun

STRETCH = 1000
"""Messages of one channel that the plan takes at a time."""
STRETCHES_AT_ONCE = 20
LONGEST_CHAIN = 50
"""Replies to replies that are followed."""
LOOKED_AT = 20
"""Of how many chunks of a run one is looked at for what its channels hold."""


class Channel(NamedTuple):
    """A channel in the order of the plan."""

    source_id: UUID
    name: str


BEFORE_ALL, AFTER_ALL = Channel(UUID(int=0), ""), Channel(UUID(int=(1 << 128) - 1), "")

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
          AND (message.source_id, message.channel) > (CAST(:after_source AS uuid), :after_channel)
          AND (message.source_id, message.channel) <= (CAST(:last_source AS uuid), :last_channel)
    )
    {STRETCHES}
    """  # noqa: S608 - the part put in is a constant of the code
)

_middle = text(
    f"""
    WITH counted AS (
        SELECT source_id, channel, count(*) AS n
        FROM run_message_chunks AS chunk CROSS JOIN LATERAL (
            SELECT source_id, channel FROM messages WHERE messages.id = ANY (chunk.kept_ids) OFFSET 0
        ) AS message
        WHERE chunk.run_id = :run AND chunk.chunk_no % {LOOKED_AT} = 1 GROUP BY source_id, channel
    ), passed AS (
        SELECT source_id, channel, sum(n) OVER (ORDER BY source_id, channel) AS past, sum(n) OVER () AS total
        FROM counted
    )
    SELECT source_id, channel FROM passed WHERE past < total ORDER BY abs(2 * past - total) LIMIT 1
    """  # noqa: S608 - the part put in is a constant of the code
)

# PostgreSQL has no idea how many ids an array holds. It would take few for certain, look for each among all others, go
# through all of a channel for each, by their order, and remember what it found for arrays that never come again. A half
# that is sorted waits until the one before is stored.
_PLAN_SETTINGS = """
    SELECT set_config('enable_nestloop', 'off', true), set_config('enable_memoize', 'off', true),
           set_config('enable_mergejoin', 'off', true), set_config('work_mem', '128MB', true),
           set_config('idle_in_transaction_session_timeout', '600000', true)
"""


def kept_stretches(
    session: AsyncSession, run_id: UUID, gap_seconds: int, *, after: Channel = BEFORE_ALL, last: Channel = AFTER_ALL
) -> AsyncIterator[Stretch]:
    """The messages that passed the prefilter and are in no batch yet, in the order of the plan: those of the channels
    that come after one, until the last."""
    values = {
        "run": run_id,
        "gap": gap_seconds,
        "after_source": after.source_id,
        "after_channel": after.name,
        "last_source": last.source_id,
        "last_channel": last.name,
    }
    return stretches(session, _kept_stretches, values)


async def middle(session: AsyncSession, run_id: UUID) -> Channel | None:
    """The channel up to which about half of the run's messages go; None where they are of one."""
    row = (await session.execute(_middle, {"run": run_id})).one_or_none()
    return None if row is None else Channel(*row)


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
