"""`gleaner purge`, as it is typed."""

import asyncio
import json
import os
import sys
from datetime import timedelta

from db.engine import Database
from models.audit import AuditEntry
from models.base import new_id, now
from tests.support.service import ROOT


async def gleaner(dsn: str, *arguments: str) -> tuple[int | None, str]:
    """The exit code of the command and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *arguments,
        cwd=ROOT,
        env={**os.environ, "GLEANER_DATABASE_URL": dsn},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_old_entries_of_the_audit_are_purged_by_command(database: Database, dsn: str) -> None:
    async with database.transaction() as session:
        for days in (400, 366, 1):
            session.add(
                AuditEntry(
                    actor_kind="user",
                    actor_id="local",
                    actor_name="local",
                    action="create",
                    entity_type="source",
                    entity_id=new_id(),
                    at=now() - timedelta(days=days),
                )
            )
    code, said = await gleaner(dsn, "purge", "--audit-days", "365", "--dry-run")
    assert (code, "2 audit would go" in said) == (0, True)
    code, said = await gleaner(dsn, "purge", "--audit-days", "365", "--json")
    report = json.loads(said)
    assert (code, report["dry_run"], report["removed"]["audit"]) == (0, False, 2)
    code, said = await gleaner(dsn, "purge")
    assert code == 2
    assert "--audit-days" in said
