"""The `gleaner` command."""

import typer

from commands import data, keys, runs, service, stack

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


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
