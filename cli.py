"""The `gleaner` command."""

import logging
import os
import sys
from typing import NoReturn

import typer

from commands import (
    data,
    doctor,
    evaluating,
    evaluating_titles,
    exporting,
    keys,
    purging,
    review,
    runs,
    service,
    stack,
    training,
)

app = typer.Typer(
    name="gleaner",
    help="Turns team chat into reviewed tasks, as durable Temporal workflows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(stack.dev)
app.command()(stack.demo)
app.command()(service.serve)
app.command()(service.worker)
app.command()(service.migrate)
app.command("import")(data.import_)
app.add_typer(keys.app, name="keys")
app.command()(runs.run)
app.command()(runs.runs)
app.command()(runs.watch)
app.command()(review.review)
app.command()(exporting.export)
app.command("eval")(evaluating.evaluate)
app.command("eval-duplicates")(evaluating_titles.evaluate_duplicates)
app.command("eval-projects")(evaluating_titles.evaluate_projects)
app.command("train-prefilter")(training.train_prefilter)
app.command()(doctor.doctor)
app.command()(purging.purge)


def main() -> None:
    """The entry point."""
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
