"""How commands speak: tables and progress for people, JSON for programs, errors on stderr."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def plain(text: str) -> str:
    """The text without what a terminal would obey: people and models write what they like."""
    return _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n"))


def say(line: str) -> None:
    """A line on stdout as it is, without markup, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tell(line: str) -> None:
    """What goes on, on stderr: not part of what a command gives."""
    err.print(line, markup=False, highlight=False)


def show_json(value: object) -> None:
    say(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # Eighty columns hold little more than an id: none of them goes into frames.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0)  # an id that is cut can't be copied
    for row in rows:
        table.add_row(*(plain(cell).replace("[", r"\[") for cell in row))
    out.print(table)


def fail(message: str) -> NoReturn:
    """Say why on stderr and leave with 1."""
    err.print(message, markup=False, style="red")
    raise typer.Exit(1)


def misused(message: str) -> NoReturn:
    """Say what is wrong with the command line and leave with 2."""
    err.print(message, markup=False, style="red")
    raise typer.Exit(2)
