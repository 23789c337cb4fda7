"""`gleaner dev` and `gleaner demo`: the whole stack under one supervisor."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from commands.demonstration import show
from db import heartbeats
from db.defaults import ensure_offline_assignment
from db.engine import Database, is_outage
from db.migrate import upgrade
from devstack.stack import PartCommand, Stack, StackConfig, WorkerCommand, run_stack
from ingest.command import import_file
from sample.workspace import export_path
from settings import get_settings

_CLI = Path(__file__).parent.parent / "cli.py"

KEYLESS = {"GLEANER_AUTH": "off"}
"""What the API of a stack has that lives for one command, which is its only caller."""

DataDir = Annotated[Path, typer.Option(help="Where the stack keeps its data.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free port.")]


def dev(
    data_dir: DataDir = Path(".gleaner"),
    api_port: Port = 8000,
    temporal_port: Port = 7233,
    ui_port: Port = 8233,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Run a worker.")] = True,
    sample: Annotated[bool, typer.Option("--sample/--no-sample", help="Import the sample workspace.")] = True,
) -> None:
    """Run the whole stack in the foreground until Ctrl-C; its data stays in the data directory."""
    config = StackConfig(data_dir, api_port, temporal_port, ui_port)
    code = asyncio.run(
        run_stack(
            config,
            api=api_part(),
            worker=worker_part() if worker else None,
            migrate=_preparing(sample=sample),
        )
    )
    raise typer.Exit(code)


def demo(
    data_dir: DataDir = Path(".gleaner/demo"),
    api_port: Port = 0,
    temporal_port: Port = 0,
    ui_port: Port = 0,
) -> None:
    """Start the stack, analyse the sample workspace with the offline model, show the proposals, stop everything."""
    config = StackConfig(data_dir, api_port, temporal_port, ui_port)

    async def tell(stack: Stack) -> int:
        return await asyncio.to_thread(show, stack.api_url, stack.ui_url)

    code = asyncio.run(
        run_stack(config, api=api_part(KEYLESS), worker=worker_part(), migrate=_preparing(sample=True), on_ready=tell)
    )
    raise typer.Exit(code)


def api_part(environment: Mapping[str, str] | None = None) -> PartCommand:
    """How to run our API, with so much added to the environment."""
    return PartCommand(_own("serve"), environment or {}, stop_seconds=_stop_seconds())


def worker_part(environment: Mapping[str, str] | None = None) -> WorkerCommand:
    """How to run our worker, with so much added to the environment."""
    return WorkerCommand(_own("worker"), environment or {}, stop_seconds=_stop_seconds(), answers=_worker_answers)


def _own(command: str) -> list[str]:
    return [sys.executable, str(_CLI), command]


def _stop_seconds() -> float:
    return get_settings().worker_shutdown_seconds + 5


async def _worker_answers(dsn: str) -> bool:
    """Whether a worker has been seen lately: by its row, since the API says it to nobody without a key."""
    try:
        async with Database(dsn, pool_size=1) as database, database.transaction() as session:
            return heartbeats.fresh(await heartbeats.last_seen(session))
    except Exception as error:
        if not is_outage(error):
            raise
        return False


def _preparing(*, sample: bool) -> Callable[[str], Awaitable[None]]:
    """What happens to the database before API and worker start: the schema, the offline agent, the sample."""

    async def prepare(dsn: str) -> None:
        await upgrade(dsn)
        async with Database(dsn, pool_size=2) as database:
            async with database.transaction() as session:
                await heartbeats.forget_all(session)
            await ensure_offline_assignment(database)
            if sample:
                await import_file(database, "slack", export_path(), source="sample")

    return prepare
