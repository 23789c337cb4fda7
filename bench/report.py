"""The figures as a person reads them."""

from collections.abc import Mapping, Sequence
from typing import cast

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.rows import Row
from bench.side_by_side import SIDE_BY_SIDE, Line

_WIDTH_OF_A_FILE = 160
_MET: Mapping[bool | None, str] = {True: "yes", False: "no", None: "–"}

_console = Console(soft_wrap=False)
if not _console.is_terminal:
    _console.width = _WIDTH_OF_A_FILE


def say(line: str) -> None:
    _console.print(line, markup=False, highlight=False, soft_wrap=True)


def show(rows: Sequence[Row]) -> None:
    """All rows in one table, then a table for each that has contenders side by side."""
    table = _table("", ["row", "what", "measured", "goal", "met"])
    for row in rows:
        table.add_row(*map(escape, (str(row.number), row.what, row.measured, row.goal, _MET[row.met])))
    _console.print(table)
    for row in rows:
        if SIDE_BY_SIDE in row.figures:
            lines = cast(Mapping[str, Line], row.figures[SIDE_BY_SIDE])
            _console.print(_side_by_side(f"Row {row.number}: {row.what}", lines))


def _side_by_side(title: str, lines: Mapping[str, Line]) -> Table:
    columns = list(next(iter(lines.values())))
    table = _table(title, ["", *columns])
    for name, line in lines.items():
        table.add_row(name, *(line[column] for column in columns))
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    return Table(*columns, title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False)
