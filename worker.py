"""The worker process: serves the task queues, says that it lives, and outlives the absence of both servers."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any

import uvloop
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.batching import BatchingActivities
from activities.extraction import ExtractionActivities
from activities.fetching import FetchingActivities
from activities.lifecycle import LifecycleActivities
from activities.prefiltering import PrefilteringActivities
from activities.resources import Resources
from activities.saving import SavingActivities
from activities.sweeping import SweepingActivities
from activities.validation import ValidationActivities
from db import heartbeats
from db.engine import Database, is_outage
from db.vault import Vault
from llm.providers import close_clients
from logs import logger
from models.base import new_id
from settings import Settings
from sweep_schedule import ensure_schedule
from temporal_client import connect
from workflows.analysis_run import AnalysisRun
from workflows.contract import MODEL_QUEUE, QUEUE
from workflows.provider_trial import ProviderTrial
from workflows.sweep import Sweep

HEARTBEAT_SECONDS = 5.0
RECONNECT_SECONDS = 1.0
LAST_SECONDS = 20.0
"""How long the end of a worker takes at most above its time of grace: the SDK tries for ten seconds to report what it
has to a server that is away."""
STICKY_PATIENCE = timedelta(seconds=1)
"""How long the server keeps a workflow for a worker that knows it, and may be dead, before any other may have it."""
# Cancellation reaches an activity only through its heartbeats, so these are let through often.
LONGEST_THROTTLE = timedelta(seconds=1)

_log = logger("gleaner.worker")


def run_activities(resources: Resources) -> list[Callable[..., Any]]:
    """The activities on the database."""
    lifecycle = LifecycleActivities(resources)
    batching = BatchingActivities(resources)
    saving = SavingActivities(resources)
    return [
        lifecycle.begin_run,
        lifecycle.read_state,
        lifecycle.apply_command,
        lifecycle.note_drained,
        lifecycle.finish_run,
        FetchingActivities(resources).fetch_messages,
        PrefilteringActivities(resources).prefilter_messages,
        batching.create_batches,
        batching.split_batch,
        saving.save_proposals,
        saving.fail_batch,
        SweepingActivities(resources).sweep,
    ]


def build_workers(client: Client, resources: Resources) -> list[Worker]:
    """The workers of this process's roles."""
    settings = resources.settings
    grace = timedelta(seconds=settings.worker_shutdown_seconds)
    workers = []
    if "workflow" in settings.worker_roles:
        workers.append(
            Worker(
                client,
                task_queue=QUEUE,
                workflows=[AnalysisRun, ProviderTrial, Sweep],
                activities=run_activities(resources),
                max_concurrent_activities=settings.worker_database_slots,
                max_concurrent_workflow_tasks=16,
                sticky_queue_schedule_to_start_timeout=STICKY_PATIENCE,
                max_heartbeat_throttle_interval=LONGEST_THROTTLE,
                default_heartbeat_throttle_interval=LONGEST_THROTTLE,
                graceful_shutdown_timeout=grace,
            )
        )
    if "model" in settings.worker_roles:
        extraction = ExtractionActivities(resources)
        workers.append(
            Worker(
                client,
                task_queue=MODEL_QUEUE,
                activities=[
                    extraction.extract_proposals,
                    extraction.extract_group,
                    extraction.probe_provider,
                    ValidationActivities(resources).validate_provider,
                ],
                max_concurrent_activities=settings.worker_model_slots,
                max_heartbeat_throttle_interval=LONGEST_THROTTLE,
                default_heartbeat_throttle_interval=LONGEST_THROTTLE,
                graceful_shutdown_timeout=grace,
            )
        )
    return workers


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set, then let what is under way finish within the bound of the settings."""
    async with AsyncExitStack() as stack:
        database = Database.from_settings(settings)
        stack.push_async_callback(database.close)
        stack.push_async_callback(close_clients)
        client = await _connect_patiently(settings, stop)
        if client is None:
            return
        resources = Resources(database, Vault.from_settings(settings), settings)
        workers = build_workers(client, resources)
        for worker in workers:
            await stack.enter_async_context(worker)
        stack.push_async_callback(_shut_down, workers)
        await _schedule_sweeps(client, settings)
        queues = [worker.task_queue for worker in workers]
        await stack.enter_async_context(_Heart(database, queues))
        _log.info("Worker ready", task_queues=queues)
        await stop.wait()
        _log.info("Worker stopping")


async def _shut_down(workers: Sequence[Worker]) -> None:
    """All at once: one after the other would add their times of grace up."""
    await asyncio.gather(*(worker.shutdown() for worker in workers))


async def _schedule_sweeps(client: Client, settings: Settings) -> None:
    try:
        await ensure_schedule(client, settings)
    except RPCError as error:
        _log.warning("The sweep could not be scheduled; `gleaner doctor` says so too", error=error.status.name)


async def _connect_patiently(settings: Settings, stop: asyncio.Event) -> Client | None:
    """A client, as soon as Temporal answers; None when told to stop before."""
    waiting = False
    while not stop.is_set():
        try:
            return await connect(settings)
        except (RuntimeError, RPCError):
            if not waiting:
                _log.warning("Waiting for Temporal", address=settings.temporal_address)
            waiting = True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RECONNECT_SECONDS)
    return None


class _Heart:
    """Writes the worker's heartbeat row while it runs, and takes it away at the end."""

    def __init__(self, database: Database, task_queues: Sequence[str]) -> None:
        self._database = database
        self._task_queues = list(task_queues)
        self._worker_id = f"{socket.gethostname()}-{os.getpid()}-{new_id()}"
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        try:
            async with self._database.transaction() as session:
                await heartbeats.leave(session, self._worker_id)
        except Exception as error:
            if not is_outage(error):
                raise

    async def _beat(self) -> None:
        while True:
            try:
                async with self._database.transaction() as session:
                    await heartbeats.beat(session, self._worker_id, self._task_queues)
            except Exception as error:
                _log.warning("The heartbeat could not be written", error=type(error).__name__)
            await asyncio.sleep(HEARTBEAT_SECONDS)


def main(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, and then at most `worker_shutdown_seconds` and LAST_SECONDS more; a second signal
    ends the process at once."""
    uvloop.run(_until_told(settings))


async def _until_told(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            # Told twice: whoever waits can't wait any longer. What is under way is done again elsewhere.
            os._exit(1)
        loop.call_later(settings.worker_shutdown_seconds + LAST_SECONDS, os._exit, 1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    await run_worker(settings, stop)
