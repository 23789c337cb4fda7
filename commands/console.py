"""How commands speak: tables and progress for people, JSON for programs, errors on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def say(line: str) -> None:
    """A line on stdout as it is, without markup, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show_json(value: object) -> None:
    say(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*columns, title=title, title_justify="left", show_lines=False)
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    out.print(table)


def fail(message: str) -> NoReturn:
    """Say why on stderr and leave with 1."""
    err.print(message, markup=False, style="red")
    raise typer.Exit(1)


def misused(message: str) -> NoReturn:
    """Say what is wrong with the command line and leave with 2."""
    err.print(message, markup=False, style="red")
    raise typer.Exit(2)
