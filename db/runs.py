"""The rows of runs: locked for a change, created without overlap, found."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import audit, outbox, transitions
from db.engine import Database
from errors import Conflict, NotFound
from models.actor import SYSTEM, Actor
from models.run import NO_PROJECT, OPEN_FOR_OVERLAP, AnalysisRun, RunEvent
from models.values import RunStage


class LockedRun:
    """A run whose row this transaction holds: change it, and record what changed. `actor` is who changes it."""

    def __init__(self, session: AsyncSession, run: AnalysisRun, actor: Actor = SYSTEM) -> None:
        self.session = session
        self.run = run
        self.events: list[RunEvent] = []
        self._actor = actor
        self._seen = _audited(run)
        self._asked = (run.pending_command, run.pending_actor)

    def move(self, command: transitions.Command) -> None:
        """Change the state by the table; 409 where it forbids that."""
        transitions.move(command, self.run)

    def work_goes_on(self, stage: RunStage) -> None:
        """Name the next step of the analysis, unless the run is held: then the stage says that."""
        if self.run.status == "running":
            self.run.stage = stage

    async def record(self, event: str, data: Mapping[str, Any]) -> None:
        """Stored when the block that holds the run ends."""
        self.events.append(outbox.event_of(self.run, event, data))

    async def tell(self) -> None:
        """Store what was recorded, for those who listen."""
        if self.events:
            await outbox.append(self.session, self.events)
            self.events = []

    def await_command(self, command: transitions.Command) -> None:
        """Show that the actor's command is on its way to the workflow, which will do it."""
        self.run.pending_command = command
        self.run.pending_actor = self._actor.stored()

    def audit(self, action: str, **more: object) -> None:
        """Write down what changed since the lock or the last entry. A command that the API has passed on is of whoever
        asked for it there, but a run that pauses for a reason of its own does so itself."""
        command, asked_by = self._asked
        by_itself = action == "pause" and self.run.paused_reason != "requested"
        actor = Actor.of(asked_by) if asked_by is not None and command == action and not by_itself else self._actor
        now_seen = _audited(self.run)
        before, after = self._seen, {**now_seen, **more}
        audit.write(self.session, actor, action, "run", self.run.id, before=before, after=after)
        self._seen = now_seen


def _audited(run: AnalysisRun) -> dict[str, object]:
    """What the audit tells of a run."""
    return {
        "status": run.status,
        "stage": run.stage,
        "paused_reason": run.paused_reason,
        "budget_usd": run.options.get("budget_usd"),
        "concurrency": run.options.get("concurrency"),
    }


def not_found(run_id: UUID) -> NotFound:
    return NotFound("run_not_found", f"There is no run {run_id}.")


@asynccontextmanager
async def locked(database: Database, run_id: UUID, actor: Actor = SYSTEM) -> AsyncIterator[LockedRun]:
    """One transaction that holds the run's row. Its changes, counters, events and audit commit together or not at all.

    404 `run_not_found` where there is no such run.
    """
    async with database.transaction() as session, holding(session, run_id, actor) as held:
        yield held


@asynccontextmanager
async def holding(session: AsyncSession, run_id: UUID, actor: Actor = SYSTEM) -> AsyncIterator[LockedRun]:
    """The same inside a transaction that has read before: slow work comes before the lock."""
    async with holding_all(session, {run_id}, actor) as held:
        yield held[run_id]


@asynccontextmanager
async def holding_all(
    session: AsyncSession, run_ids: Collection[UUID], actor: Actor = SYSTEM
) -> AsyncIterator[dict[UUID, LockedRun]]:
    """Several runs at once. They are locked in the order of their ids, so that two who want the same never wait for
    each other."""
    # `key_share`: who only writes a row that belongs to the run, such as a place at the provider, needn't wait.
    query = (
        select(AnalysisRun)
        .where(col(AnalysisRun.id).in_(list(run_ids)))
        .order_by(col(AnalysisRun.id))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    held = {run.id: LockedRun(session, run, actor) for run in (await session.exec(query)).all()}
    missing = set(run_ids) - set(held)
    if missing:
        raise not_found(missing.pop())
    yield held
    for one in held.values():
        await one.tell()


def concurrency(run: AnalysisRun) -> int:
    """How many model calls the run may have under way."""
    return int(run.options.get("concurrency", 8))


async def get(session: AsyncSession, run_id: UUID) -> AnalysisRun:
    """The run as it is now; 404 `run_not_found`."""
    run = await session.get(AnalysisRun, run_id)
    if run is None:
        raise not_found(run_id)
    return run


async def create(database: Database, run: AnalysisRun, actor: Actor = SYSTEM) -> AnalysisRun:
    """Store a new run with its first event; 409 `run_overlap` where an open run of the project has part of the window.

    `ON CONFLICT … DO NOTHING` because a plain insert deadlocks when creates come in parallel.
    """
    async with database.transaction() as session:
        values = run.model_dump()
        statement = insert(AnalysisRun).values(values).on_conflict_do_nothing(constraint="ex_analysis_runs_overlap")
        created = await session.execute(statement.returning(col(AnalysisRun.id)))
        if created.scalar_one_or_none() is None:
            raise await overlap(session, run)
        described = {
            "trigger_type": run.trigger_type,
            "time_window_start": run.time_window_start.isoformat(),
            "time_window_end": run.time_window_end.isoformat(),
        }
        async with holding(session, run.id, actor) as held:
            await held.record("run_created", {"id": str(run.id), "status": "pending", **described})
            made: dict[str, object] = {"status": run.status, **described, "options": run.options}
            audit.write(session, actor, "create", "run", run.id, before=None, after=made)
        return held.run


async def find_overlap(session: AsyncSession, run: AnalysisRun) -> UUID | None:
    """Another open run of the same project whose window shares a moment with this one's."""
    query = text(
        f"""
        SELECT id FROM analysis_runs
        WHERE coalesce(project_config_id, '{NO_PROJECT}'::uuid) = coalesce(CAST(:project AS uuid), '{NO_PROJECT}'::uuid)
          AND tstzrange(time_window_start, time_window_end, '[)') && tstzrange(:start, :end, '[)')
          AND status IN ({", ".join(f"'{status}'" for status in OPEN_FOR_OVERLAP)})
          AND id <> :id
        LIMIT 1
        """  # noqa: S608 - the parts put in are constants of the code
    )
    found: UUID | None = await session.scalar(
        query,
        {
            "project": run.project_config_id,
            "start": run.time_window_start,
            "end": run.time_window_end,
            "id": run.id,
        },
    )
    return found


async def overlap(session: AsyncSession, run: AnalysisRun) -> Conflict:
    """The refusal that names the run in the way."""
    other = await find_overlap(session, run)
    detail = (
        f"Run {other} is open over a part of this window; close or cancel it first."
        if other
        else ("Another run that is open has a part of this window.")
    )
    return Conflict("run_overlap", detail, conflicting_run_id=str(other) if other else None)
