"""`gleaner purge`: what has become too old, out of the database."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

import typer

from commands import console
from db import purging
from db.engine import Database, is_outage
from db.purging import Kept
from models.base import now
from settings import get_settings


def _days(what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(min=1, max=100_000, help=f"Remove {what} older than so many days.")
    return option


def purge(
    answers_days: Annotated[int | None, _days("stored answers of models")] = None,
    runs_days: Annotated[int | None, _days("closed and cancelled runs, or the details of those with tasks,")] = None,
    messages_days: Annotated[int | None, _days("messages that no proposal rests on")] = None,
    audit_days: Annotated[int | None, _days("entries of the audit")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Remove what is older than so many days, for good; and in any case keys of requests, heartbeats and places that
    are of no use any more. What an open run, a proposal or a task needs stays."""
    if answers_days is runs_days is messages_days is audit_days is None:
        console.misused("Say what to purge: --answers-days, --runs-days, --messages-days or --audit-days.")
    kept = Kept(_before(answers_days), _before(runs_days), _before(messages_days), _before(audit_days))
    try:
        removed = asyncio.run(_purge(kept, dry_run=dry_run))
    except Exception as error:
        if not is_outage(error):
            raise
        console.fail(f"The database does not answer: {type(error).__name__}")
    if as_json:
        console.show_json({"dry_run": dry_run, "removed": removed})
        return
    for name, count in removed.items():
        console.say(f"{count} {name.replace('_', ' ')} {'would go' if dry_run else 'removed'}")


def _before(days: int | None) -> datetime | None:
    return None if days is None else now() - timedelta(days=days)


async def _purge(kept: Kept, *, dry_run: bool) -> dict[str, int]:
    async with Database.from_settings(get_settings()) as database:
        return await purging.purge(database, kept, dry_run=dry_run)
