"""`gleaner keys`: API keys, straight in the database, so that the first one needs none."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from commands import console
from db import keys
from db.engine import Database, is_outage
from errors import Refusal
from models.base import now
from models.service import ApiKey
from models.values import Scope, words
from settings import get_settings

Result = TypeVar("Result")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help=f"One of {', '.join(words(Scope))}; may be repeated.")],
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; default: never.")] = None,
    as_json: Json = False,
) -> None:
    """Create a key. It is shown this once and stored only as a hash."""
    unknown = [word for word in scope if word not in words(Scope)]
    if unknown:
        console.misused(f"Unknown scope {unknown[0]!r}; known are {', '.join(words(Scope))}.")
    scopes: list[Scope] = [word for word in words(Scope) if word in scope]  # type: ignore[misc]  # checked above
    expires_at = None if days is None else now() + timedelta(days=days)
    made = _in_database(lambda session: keys.create(session, name, scopes, expires_at=expires_at))
    if as_json:
        console.show_json({**_shown(made.row), "key": made.secret})
    else:
        console.say(made.secret)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the keys by their prefixes."""
    found = _in_database(keys.listed)
    if as_json:
        console.show_json({"items": [_shown(row) for row in found]})
        return
    console.show_table(
        f"{len(found)} keys",
        ("prefix", "name", "scopes", "created", "state"),
        [(row.prefix, row.name, ", ".join(row.scopes), f"{row.created_at:%Y-%m-%d}", _state(row)) for row in found],
    )


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key's id or prefix.")]) -> None:
    """Revoke a key, at once and for good."""
    row = _in_database(lambda session: keys.revoke(session, key))
    console.say(f"Revoked {row.prefix} ({row.name}).")


def _in_database(work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with Database.from_settings(get_settings()) as database, database.transaction() as session:
            return await work(session)

    try:
        return asyncio.run(run())
    except Refusal as refusal:
        console.fail(refusal.detail)
    except Exception as error:
        if not is_outage(error):
            raise
        console.fail(f"The database does not answer: {type(error).__name__}")


def _shown(row: ApiKey) -> dict[str, object]:
    return {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "created_at": row.created_at.isoformat(),
        "expires_at": row.expires_at and row.expires_at.isoformat(),
        "revoked_at": row.revoked_at and row.revoked_at.isoformat(),
    }


def _state(row: ApiKey) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now() else "valid"
