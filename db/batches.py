"""The rows of batches: asked, settled, split."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.batches import place_to_cut
from db.runs import LockedRun
from db.statements import On, Statement
from models.agent import LLMProvider
from models.base import now
from models.conversation import ChatMessage
from models.message import Message
from models.run import AnalysisBatch
from models.values import BatchStatus, PausedReason, RunStatus

CONTEXT = 5
"""Messages before a batch that are shown with it."""


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
