"""`gleaner import`: messages from an export into the database."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from commands import console
from db.engine import Database, is_outage
from errors import Refusal
from ingest.command import import_file
from ingest.formats import FORMATS
from ingest.report import ImportReport
from settings import get_settings


def import_(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of: {', '.join(sorted(FORMATS))}.")],
    path: Annotated[Path, typer.Argument(help="The export: a file, or a folder where the format is one.")],
    source: Annotated[str | None, typer.Option(help="The source's name; default: from the file.")] = None,
    channel: Annotated[str | None, typer.Option(help="The channel, for logs that don't name theirs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Import messages; the same file again changes nothing."""
    if format_name not in FORMATS:
        console.misused(f"Unknown format {format_name!r}; known are {', '.join(sorted(FORMATS))}.")
    try:
        report = asyncio.run(_import(format_name, path, source, channel, dry_run=dry_run))
    except Refusal as refusal:
        console.fail(refusal.detail)
    except Exception as error:
        if not is_outage(error):
            raise
        console.fail(f"The database does not answer: {type(error).__name__}")
    if as_json:
        console.show_json(report.to_json())
    else:
        _print(report)


async def _import(
    format_name: str, path: Path, source: str | None, channel: str | None, *, dry_run: bool
) -> ImportReport:
    async with Database.from_settings(get_settings()) as database:
        return await import_file(database, format_name, path, source=source, channel=channel, dry_run=dry_run)


def _print(report: ImportReport) -> None:
    would = "would be " if report.dry_run else ""
    console.say(f"Read {report.read} entries of {', '.join(report.sources) or 'no source'} in {report.seconds:.1f} s:")
    console.say(f"  {report.inserted} {would}inserted, {report.updated} {would}updated, {report.unchanged} unchanged")
    for reason, count in sorted(report.skipped.items()):
        console.say(f"  {count} skipped: {reason}")
    if report.repaired:
        console.say(f"  {report.repaired} held bytes that are no text; they were replaced")
    for bad in report.bad_lines:
        console.say(f"  {bad.position}: {bad.reason}: {bad.detail}")
