"""The stack: PostgreSQL, Temporal, API and worker as processes of their own under one supervisor."""

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devstack.child import Command
from devstack.data_dir import DataDir, write_private
from devstack.environment import stack_environment
from devstack.errors import StackError
from devstack.part import Part, PartSpec
from devstack.ports import HOST, Ports
from devstack.postgres import Postgres, prepare_postgres
from devstack.probe import is_ok
from devstack.supervisor import Announce, Supervisor
from devstack.temporal import Temporal
from devstack.watchdog import Watchdog


@dataclass(frozen=True)
class StackConfig:
    """Where a stack keeps its data and where it answers. Port 0 means some free port."""

    data_dir: Path
    api_port: int = 8000
    temporal_port: int = 7233
    ui_port: int = 8233


@dataclass(frozen=True)
class PartCommand:
    """How to run the API or the worker. `environment` is added to what the stack gives (`devstack.environment`)."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 25.0
    """How long it may take to end after SIGTERM."""


@dataclass(frozen=True, kw_only=True)
class WorkerCommand(PartCommand):
    """How to run the worker. `answers` gets the DSN and says whether it does its work."""

    answers: Callable[[str], Awaitable[bool]]


@dataclass(frozen=True)
class Stack:
    """A stack that is ready."""

    data_dir: Path
    api_url: str
    temporal_address: str
    ui_url: str
    dsn: str
    environment: Mapping[str, str]
    """The environment of API and worker."""


async def run_stack(
    config: StackConfig,
    *,
    api: PartCommand,
    worker: WorkerCommand | None,
    migrate: Callable[[str], Awaitable[None]],
    on_ready: Callable[[Stack], Awaitable[int | None]] | None = None,
    announce: Announce | None = None,
) -> int:
    """Run the whole stack in the foreground until SIGINT or SIGTERM; gives the exit code.

    `migrate` gets the DSN when PostgreSQL answers, before API and worker start. `on_ready` gets the stack when every
    part answers: where it returns a number, everything stops and that is the exit code; where it returns None, the
    stack goes on. `announce` gets a line for everything that the supervisor does (default: standard output).

    Exit codes: 0 after a signal, 1 where the stack can't start or can't go on; the reason is on standard error.
    """
    work = _Work(api, worker, migrate, on_ready)
    try:
        return await _run(config, work, announce or _say)
    except StackError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1


@dataclass(frozen=True)
class _Work:
    """What the caller of `run_stack` brings."""

    api: PartCommand
    worker: WorkerCommand | None
    migrate: Callable[[str], Awaitable[None]]
    on_ready: Callable[[Stack], Awaitable[int | None]] | None


async def _run(config: StackConfig, work: _Work, announce: Announce) -> int:
    data_dir = DataDir.open(config.data_dir)
    async with data_dir.held() as lock:
        data_dir.description.unlink(missing_ok=True)
        layout = _Layout.plan(config, data_dir)
        with closing(Watchdog(lock=lock, stale=data_dir.description)) as watchdog:
            try:
                return await _Life(layout, watchdog, announce).run(work)
            finally:
                data_dir.description.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Layout:
    """The addresses of everything, decided before anything starts, so that a restart changes none."""

    data_dir: DataDir
    postgres: Postgres
    temporal: Temporal
    api_port: int

    @classmethod
    def plan(cls, config: StackConfig, data_dir: DataDir) -> "_Layout":
        ports = Ports()
        api_port = ports.choose(config.api_port, "--api-port")
        temporal = Temporal(
            ports.choose(config.temporal_port, "--temporal-port"), ports.choose(config.ui_port, "--ui-port")
        )
        return cls(data_dir, prepare_postgres(data_dir, ports.free()), temporal, api_port)

    def stack(self) -> Stack:
        api_url = f"http://{HOST}:{self.api_port}"
        environment = stack_environment(
            database_url=self.postgres.dsn,
            temporal_address=self.temporal.address,
            temporal_ui_url=self.temporal.ui_url,
            api_url=api_url,
            api_port=self.api_port,
            secret_key=self.data_dir.secret("secret-key"),
        )
        return Stack(
            self.data_dir.root, api_url, self.temporal.address, self.temporal.ui_url, self.postgres.dsn, environment
        )


class _Life:
    """One run of the stack, from its first part's start to its end."""

    def __init__(self, layout: _Layout, watchdog: Watchdog, announce: Announce) -> None:
        self._layout = layout
        self._watchdog = watchdog
        self._announce = announce
        self._stack = layout.stack()
        self._is_ready = False
        self._supervisor = Supervisor(layout.data_dir, watchdog, announce=announce, on_restart=self._describe)

    async def run(self, work: _Work) -> int:
        return await self._supervisor.run(self._live(work))

    async def _live(self, work: _Work) -> int | None:
        """Start everything in its order, say so, and do the work of `on_ready`."""
        await self._start(work)
        self._is_ready = True
        self._describe()
        stack = self._stack
        self._announce(f"ready api={stack.api_url} temporal={stack.temporal_address} ui={stack.ui_url}")
        return await work.on_ready(stack) if work.on_ready else None

    async def _start(self, work: _Work) -> None:
        postgres, temporal = self._postgres(), self._temporal()
        await self._layout.postgres.set_up(os.environ, self._watchdog)
        self._supervisor.keep(postgres)
        self._supervisor.keep(temporal)
        await self._supervisor.until_ready(postgres)
        await work.migrate(self._stack.dsn)
        await self._supervisor.until_ready(temporal)
        needs = (postgres, temporal)
        own = [self._own("api", work.api, partial(is_ok, self._layout.api_port, "/api/v1/health/live"), needs)]
        if work.worker is not None:
            own.append(self._own("worker", work.worker, partial(work.worker.answers, self._stack.dsn), needs))
        for part in own:
            self._supervisor.keep(part)
        await self._supervisor.until_ready(*own)

    def _postgres(self) -> Part:
        postgres = self._layout.postgres
        return Part(PartSpec("postgres", partial(postgres.command, os.environ), postgres.answers), self._watchdog)

    def _temporal(self) -> Part:
        temporal = self._layout.temporal
        command = partial(temporal.command, self._layout.data_dir, os.environ)
        return Part(PartSpec("temporal", command, temporal.answers), self._watchdog)

    def _own(
        self, name: str, given: PartCommand, answers: Callable[[], Awaitable[bool]], needs: tuple[Part, ...]
    ) -> Part:
        """API or worker."""
        command = Command(
            name,
            tuple(given.argv),
            {**self._stack.environment, **given.environment},
            self._layout.data_dir.log(name),
            stop_seconds=given.stop_seconds,
        )
        return Part(PartSpec(name, lambda: command, answers, needs), self._watchdog)

    def _describe(self) -> None:
        """Write `stack.json`, from the moment on when everything is ready."""
        if self._is_ready:
            description = {
                "api": self._stack.api_url,
                "temporal": self._stack.temporal_address,
                "ui": self._stack.ui_url,
                "postgres": self._stack.dsn,
                "pids": self._supervisor.pids,
            }
            write_private(self._layout.data_dir.description, json.dumps(description, indent=2) + "\n")


def _say(line: str) -> None:
    with suppress(OSError):  # whoever read our output may have gone
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
