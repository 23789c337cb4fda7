"""`gleaner serve`, `worker` and `migrate`: the processes of a service, one at a time."""

import asyncio
import gc

import logs
from commands import console
from db.engine import is_outage
from db.migrate import run_upgrade
from settings import get_settings


def serve() -> None:
    """Serve the API."""
    from api.app import serve as serve_api  # each process loads what it needs, and `--help` nothing

    _keep_what_is_loaded()
    serve_api(get_settings())


def worker() -> None:
    """Work on runs until told to stop."""
    import worker as worker_process

    _keep_what_is_loaded()
    settings = get_settings()
    logs.configure(settings)
    worker_process.main(settings)


def _keep_what_is_loaded() -> None:
    """It stays for good: the collector needn't look at it again and again."""
    gc.collect()
    gc.freeze()


def migrate() -> None:
    """Bring the database to the present schema, and register Temporal's search attributes."""
    from temporalio.service import RPCError

    from commands.search_attributes import register

    settings = get_settings()
    try:
        run_upgrade(settings.database_url.get_secret_value())
    except Exception as error:
        if not is_outage(error):
            raise
        console.fail(f"The database does not answer: {type(error).__name__}")
    console.say("The database is up to date.")
    try:
        names = asyncio.run(register(settings))
    except (RuntimeError, RPCError) as error:
        console.fail(f"Temporal at {settings.temporal_address} does not answer as it should: {error}")
    console.say(f"Search attributes: {', '.join(names)}.")
