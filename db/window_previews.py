"""What a run would see, before there is one."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis import prefilter
from analysis.batches import Stretch
from db.plans import STRETCHES, stretches
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
from db.windows import CHUNK
from models.run import AnalysisRun

SAMPLES = 3
"""Messages that a preview shows of each reason, the first ones."""
SAMPLE_CHARS = 200

_passed_in_window = text(
    f"""
    SELECT id, source_id, channel, thread_id, external_id, body, chunk_no
    FROM (
        SELECT *, {BODY}, (row_number() OVER (ORDER BY sent_at, id) - 1) / {CHUNK} AS chunk_no
        FROM messages WHERE {IN_WINDOW} {TRIMMED_ONCE}
    ) AS message
    WHERE {RULED_OUT} IS NULL
    ORDER BY sent_at, id
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*window_parameters, *rule_parameters)

_preview = text(
    f"""
    WITH body AS (
        SELECT id, is_bot, is_system, char_length(content) AS size, {BODY}
        FROM messages WHERE {IN_WINDOW} {TRIMMED_ONCE}
    ), judged AS (SELECT size, {DROPPED} AS reason FROM body)
    SELECT coalesce(reason, ''), count(*), coalesce(sum(size), 0) FROM judged GROUP BY 1
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*window_parameters, *judge_parameters)

_preview_samples = text(
    f"""
    WITH body AS (SELECT *, {BODY} FROM messages WHERE {IN_WINDOW} {TRIMMED_ONCE}),
    judged AS (SELECT id, channel, author, sent_at, left(body, {SAMPLE_CHARS}) AS shown, {DROPPED} AS reason FROM body)
    SELECT reason, id, channel, author, sent_at, shown
    FROM (SELECT *, row_number() OVER (PARTITION BY reason ORDER BY sent_at, id) AS place FROM judged) AS numbered
    WHERE reason IS NOT NULL AND place <= {SAMPLES}
    ORDER BY reason, place
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*window_parameters, *judge_parameters)

_preview_stretches = text(
    f"""
    WITH RECURSIVE body AS (SELECT *, {BODY} FROM messages WHERE {IN_WINDOW} {TRIMMED_ONCE}),
    kept AS MATERIALIZED (
        SELECT id, source_id, channel, thread_id, external_id, reply_to, sent_at, false AS batched
        FROM body WHERE {DROPPED} IS NULL
    )
    {STRETCHES}
    """  # noqa: S608 - the parts put in are constants of the code
).bindparams(*window_parameters, *judge_parameters)


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


async def preview(session: AsyncSession, run: AnalysisRun, rules: prefilter.Rules) -> Preview:
    """What the run's window holds and what the prefilter would leave of it; stores nothing."""
    values = {**window_values(run), **rule_values(rules)}
    unlikely = await find_unlikely(session, _passed_in_window, values) if rules.scored else []
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
    values = {**window_values(run), **rule_values(rules), "unlikely": list(unlikely), "gap": gap}
    return stretches(session, _preview_stretches, values)
