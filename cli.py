"""The `gleaner` command."""

import gc
import logging
import os
import sys
import tomllib
from pathlib import Path
from typing import Annotated, ClassVar, NoReturn

import typer

from commands.on_demand import CommandsOnDemand

COLLECT_EVERY = 50_000
"""Objects more than before after which the garbage collector looks. As it comes, at 700, that took a tenth of a start
and 6 % of a busy worker's time."""


class _Commands(CommandsOnDemand):
    places: ClassVar = {
        "dev": "commands.stack:dev",
        "demo": "commands.stack:demo",
        "serve": "commands.service:serve",
        "worker": "commands.service:worker",
        "migrate": "commands.service:migrate",
        "import": "commands.data:import_",
        "keys": "commands.keys:app",
        "run": "commands.runs:run",
        "runs": "commands.runs:runs",
        "watch": "commands.runs:watch",
        "review": "commands.review:review",
        "export": "commands.exporting:export",
        "eval": "commands.evaluating:evaluate",
        "eval-duplicates": "commands.evaluating_titles:evaluate_duplicates",
        "eval-projects": "commands.evaluating_titles:evaluate_projects",
        "train-prefilter": "commands.training:train_prefilter",
        "doctor": "commands.doctor:doctor",
        "purge": "commands.purging:purge",
    }


app = typer.Typer(
    name="gleaner",
    cls=_Commands,
    help="Turns team chat into reviewed tasks, as durable Temporal workflows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        # In the image the program isn't installed as a package, so it is read from where packages have it from.
        project = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text())["project"]
        typer.echo(f"gleaner {project['version']}")
        raise typer.Exit


@app.callback()
def _gleaner(
    *,
    _: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    """The entry point."""
    gc.set_threshold(COLLECT_EVERY)
    try:
        app()
    except SystemExit as leaving:
        _leave(leaving.code)


def _leave(code: str | int | None) -> NoReturn:
    """End the process. Threads of the Temporal client may still call into the interpreter while it is taken down, and
    then abort it with a signal; a process that has loaded the client therefore ends without that."""
    if "temporalio.bridge" not in sys.modules or not isinstance(code, int | None):
        sys.exit(code)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    main()
