"""The HTTP server under the application."""

import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.dependencies import Resources
from api.origins import is_loopback
from logs import logger
from settings import Settings

GRACE_SECONDS = 4
"""How long open connections may go on after the process was told to stop."""

_log = logger("gleaner.api")


class Server(uvicorn.Server):
    """uvicorn, telling the application at once when it is to stop, so that streams end instead of being cut off."""

    def __init__(self, config: uvicorn.Config, *, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _log.info("Serving the API", host=self.config.host, port=self.config.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


def make_server(app: FastAPI, settings: Settings) -> Server:
    """A server of the application on the settings' host and port, logging through `logs`."""
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        log_level=logging.WARNING,  # its lines of WebSockets show the query, which may hold a token
        access_log=False,
        server_header=False,
        ws_max_size=64 * 1024,  # of what a client says; what it hears has no bound
        ws_per_message_deflate=False,  # it would compress each event once for each listener
        ws_ping_timeout=120,  # a slow reader answers pings late; it is caught up, not cut off
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    resources: Resources = app.state.resources
    return Server(config, on_stop=resources.hub.end_streams)


def refusal_to_serve(settings: Settings) -> str | None:
    """Why the API must not run with these settings, or None."""
    if settings.auth == "off" and not is_loopback(settings.api_host):
        return (
            f"GLEANER_AUTH=off is allowed only on a loopback address, and GLEANER_API_HOST is {settings.api_host}. "
            "Set GLEANER_AUTH=required and make a key with `gleaner keys create`."
        )
    if settings.auth == "required" and settings.secret_key is None:
        return "GLEANER_AUTH=required needs GLEANER_SECRET_KEY, any long random text."
    return None


def run(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, and then end within five seconds; exit code 1 where the address can't be had."""
    with _stopping_quietly():
        try:
            make_server(app, settings).run()
        except SystemExit:
            # uvicorn has a code of its own for this, and has said why.
            raise SystemExit(1) from None


@contextlib.contextmanager
def _stopping_quietly() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more at its end; being told to stop is no failure."""

    def ignore(_signal: int, _frame: FrameType | None) -> None:
        return

    before = {number: signal.signal(number, ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
