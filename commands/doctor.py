"""`gleaner doctor`: what is wrong with a service, and what to do about it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer
from sqlalchemy import text
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from commands import console
from db import heartbeats, sweeping
from db.engine import Database
from db.migrate import expected_version
from models.base import now
from settings import Settings, get_settings
from temporal_client import connect
from workflows.contract import MODEL_QUEUE, QUEUE, SEARCH_ATTRIBUTES, SWEEP_SCHEDULE

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_STUCK_MINUTES = 15
_QUEUES = (
    (QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, "workflow"),
    (MODEL_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, "model"),
)


@dataclass(frozen=True)
class Check:
    """One thing looked at. `advice` is what to do where it is not ok."""

    what: str
    state: Literal["ok", "warning", "error"]
    found: str
    advice: str = ""


def doctor(as_json: Json = False) -> None:
    """Look at settings, database, Temporal, workers and runs, and say what is wrong; exit code 1 where something is."""
    settings = get_settings()
    checks = asyncio.run(_examine(settings))
    sick = any(check.state == "error" for check in checks)
    if as_json:
        console.show_json({"healthy": not sick, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            mark = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}[check.state]
            console.say(console.plain(f"{mark}  {check.what}: {check.found}"))
            if check.advice:
                console.say(f"         → {check.advice}")
    if sick:
        raise typer.Exit(1)


async def _examine(settings: Settings) -> list[Check]:
    checks = _of_settings(settings)
    async with Database(settings.database_url.get_secret_value(), pool_size=2) as database:
        checks += await _guarded("database", _of_database(database), "Start PostgreSQL, or mend GLEANER_DATABASE_URL.")
        advice = "Start Temporal, or mend GLEANER_TEMPORAL_ADDRESS."
        checks += await _guarded("temporal", _of_temporal(settings), advice)
    return checks


async def _guarded(part: str, checks: AsyncIterator[Check], advice: str) -> list[Check]:
    """All that the checks find until the part stops answering."""
    done = []
    try:
        async for check in checks:
            done.append(check)  # noqa: PERF401 - what was found before a failure is kept
    except Exception as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        done.append(Check(part, "error", f"does not answer as it should ({type(root).__name__})", advice))
    return done


def _of_settings(settings: Settings) -> list[Check]:
    if settings.auth == "required" and settings.secret_key is None:
        advice = "Set GLEANER_SECRET_KEY to a long random text; `serve` refuses to start without it."
        return [Check("secret key", "error", "missing while keys are required", advice)]
    found = "set" if settings.secret_key is not None else "not needed, since keys are off"
    return [Check("secret key", "ok", found)]


async def _of_database(database: Database) -> AsyncIterator[Check]:
    async with database.transaction() as session:
        version = await session.scalar(text("SHOW server_version"))
        yield Check("database", "ok", f"PostgreSQL {version} answers")
        present = await session.scalar(text("SELECT to_regclass('alembic_version')"))
        revision = await session.scalar(text("SELECT version_num FROM alembic_version")) if present else None
        if revision != expected_version():
            yield Check("schema", "error", f"at {revision}, not at {expected_version()}", "Run `gleaner migrate`.")
            return
        yield Check("schema", "ok", f"at {revision}")
        seen = await heartbeats.queues_seen(session)
        for queue, _, role in _QUEUES:
            if heartbeats.fresh(seen.get(queue)):
                yield Check(f"worker of {queue}", "ok", "said a moment ago that it lives")
            else:
                advice = f"Start `gleaner worker` with GLEANER_WORKER_ROLES that hold {role!r}."
                yield Check(f"worker of {queue}", "error", f"last seen {seen.get(queue) or 'never'}", advice)
        for finding in await sweeping.unrepaired(session):
            yield Check(f"sweep: {finding.kind}", "warning", f"{finding.subject}: {finding.detail}")
        stuck = text(
            "SELECT id FROM analysis_runs WHERE status = 'running'"
            " AND last_event_at < now() - make_interval(mins => :minutes)"
        )
        for run_id in (await session.scalars(stuck, {"minutes": _STUCK_MINUTES})).all():
            advice = f"See GET /api/v1/analysis/runs/{run_id}/progress, and the worker's log."
            yield Check(f"run {run_id}", "warning", f"nothing happened for {_STUCK_MINUTES} minutes", advice)
        closed = text(
            "SELECT name, closed_until FROM provider_limits JOIN llm_providers ON id = provider_id"
            " WHERE closed_until > now()"
        )
        for name, until in (await session.execute(closed)).all():
            seconds = round((until - now()).total_seconds())
            yield Check(f"provider {name}", "warning", f"asked us to wait for {seconds} s more")


async def _of_temporal(settings: Settings) -> AsyncIterator[Check]:
    client = await connect(settings)
    yield Check("temporal", "ok", f"{settings.temporal_address} answers")
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=settings.temporal_namespace)
    )
    missing = [name for name in SEARCH_ATTRIBUTES if name not in listed.custom_attributes]
    if missing:
        yield Check("search attributes", "error", f"missing: {', '.join(missing)}", "Run `gleaner migrate`.")
    else:
        yield Check("search attributes", "ok", "registered")
    for queue, kind, role in _QUEUES:
        polled = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=settings.temporal_namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
            )
        )
        if polled.pollers:
            yield Check(f"task queue {queue}", "ok", f"{len(polled.pollers)} pollers")
        else:
            advice = f"Start `gleaner worker` with GLEANER_WORKER_ROLES that hold {role!r}."
            yield Check(f"task queue {queue}", "error", "nobody polls it", advice)
    yield await _of_schedule(client, settings)


async def _of_schedule(client: Client, settings: Settings) -> Check:
    if not settings.sweep_seconds:
        return Check("sweep", "warning", "switched off", "Set GLEANER_SWEEP_SECONDS.")
    try:
        described = await client.get_schedule_handle(SWEEP_SCHEDULE).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Check("sweep", "error", "not scheduled", "A worker schedules it at its start: restart one.")
    if described.schedule.state.paused:
        return Check("sweep", "warning", "paused", f"temporal schedule toggle --unpause -s {SWEEP_SCHEDULE}")
    recent = described.info.recent_actions
    return Check("sweep", "ok", f"last ran {recent[-1].started_at:%Y-%m-%d %H:%M:%S}" if recent else "about to run")
