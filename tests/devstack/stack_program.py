"""A stack with stand-ins for API and worker, as a program of its own: `python stack_program.py DATA_DIR [options]`.

`--role PART=ROLE` gives a part another role of `stub_parts.py` than its own, `--demo CODE` ends when all is ready.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import asyncpg

from devstack.stack import PartCommand, Stack, StackConfig, WorkerCommand, run_stack
from tests.devstack.stub_parts import worker_runs

_PARTS = Path(__file__).with_name("stub_parts.py")
STOP_SECONDS = 600.0
"""What a part has to end in: longer than any test waits."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--api-port", type=int, default=0)
    parser.add_argument("--temporal-port", type=int, default=0)
    parser.add_argument("--ui-port", type=int, default=0)
    parser.add_argument("--no-worker", action="store_true")
    parser.add_argument("--role", default="")
    parser.add_argument("--demo", type=int)
    return parser.parse_args()


async def _count_starts(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")
    await connection.execute("INSERT INTO starts DEFAULT VALUES")
    await connection.close()


def main() -> int:
    arguments = _arguments()

    def argv(name: str) -> list[str]:
        role = arguments.role.removeprefix(f"{name}=") if arguments.role.startswith(f"{name}=") else name
        return [sys.executable, str(_PARTS), role, str(arguments.data_dir)]

    async def worker_answers(_: str) -> bool:
        return worker_runs(arguments.data_dir)

    async def on_ready(stack: Stack) -> int | None:
        del stack
        code: int | None = arguments.demo
        return code

    config = StackConfig(arguments.data_dir, arguments.api_port, arguments.temporal_port, arguments.ui_port)
    return asyncio.run(
        run_stack(
            config,
            api=PartCommand(argv("api"), stop_seconds=STOP_SECONDS),
            worker=WorkerCommand(argv("worker"), stop_seconds=STOP_SECONDS, answers=worker_answers)
            if not arguments.no_worker
            else None,
            migrate=_count_starts,
            on_ready=on_ready,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
