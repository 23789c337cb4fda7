"""`gleaner purge`: what has become too old, out of the database."""

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from commands import console
from db import audit
from db.engine import Database, is_outage
from models.base import now
from settings import get_settings


def purge(
    audit_days: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Remove entries of the audit older than so many days.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Remove what is older than so many days, for good."""
    if audit_days is None:
        console.misused("Say what to purge: --audit-days.")
    try:
        removed = asyncio.run(_purge(audit_days))
    except Exception as error:
        if not is_outage(error):
            raise
        console.fail(f"The database does not answer: {type(error).__name__}")
    if as_json:
        console.show_json({"audit": removed})
    else:
        console.say(f"Removed {removed} entries of the audit.")


async def _purge(audit_days: int) -> int:
    async with Database.from_settings(get_settings()) as database:
        return await audit.purge(database, now() - timedelta(days=audit_days))
