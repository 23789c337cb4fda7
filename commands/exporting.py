"""`gleaner export`: tasks and proposals as one document, over the API."""

import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from commands import console
from commands.api_session import api_session


class Kind(StrEnum):
    TASKS = "tasks"
    PROPOSALS = "proposals"


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    MARKDOWN = "markdown"


def export(
    kind: Annotated[Kind, typer.Argument(help="What to export.")] = Kind.TASKS,
    format_: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CSV,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; default: standard output.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    project: Annotated[str | None, typer.Option(help="The project's name.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Only proposals of this run.")] = None,
    min_confidence: Annotated[float | None, typer.Option(min=0, max=1, help="Only proposals that are so sure.")] = None,
    suppressed: Annotated[bool, typer.Option("--suppressed", help="Proposals that repeat others, too.")] = False,
) -> None:
    """Write all tasks (or proposals) as CSV, JSON Lines or Markdown."""
    of_proposals = run_id is not None or min_confidence is not None or suppressed
    if kind is Kind.TASKS and of_proposals:
        console.misused("--run, --min-confidence and --suppressed are for proposals: gleaner export proposals …")
    if output is not None and output.exists() and not force:
        console.misused(f"{output} is there already; --force replaces it.")
    wanted: dict[str, Any] = {"format": format_.value, "status": status}
    if kind is Kind.PROPOSALS:
        wanted |= {"run_id": run_id, "min_confidence": min_confidence, "include": "suppressed" if suppressed else None}
    with api_session() as api:
        wanted["project_config_id"] = None if project is None else api.project_id(project)
        with api.stream(f"/{kind.value}/export", **wanted) as pieces:
            if output is None:
                _print(pieces)
            else:
                _write(pieces, output)


def _print(pieces: Iterator[bytes]) -> None:
    try:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever reads has enough, and Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(pieces: Iterator[bytes], output: Path) -> None:
    """The file is there whole or not at all."""
    partial = output.with_name(f".{output.name}.part")
    try:
        with partial.open("wb") as file:
            file.writelines(pieces)
        partial.replace(output)
    except OSError as error:
        console.fail(f"{output} can't be written: {error.strerror}.")
    finally:
        partial.unlink(missing_ok=True)
