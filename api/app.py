"""The application, and the process that serves it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

import logs
from api import (
    agents,
    assignments,
    audit,
    documentation,
    health,
    messages,
    metrics,
    projects,
    proposals,
    providers,
    quality,
    runs,
    server,
    sources,
    stream,
    task_configs,
    tasks,
    websocket,
    ws_tokens,
)
from api.border import Border
from api.dependencies import Resources
from api.limits import BodyLimit
from api.problems import on_error
from settings import Settings

PREFIX = "/api/v1"
_ROUTERS: tuple[APIRouter, ...] = (
    runs.router,
    stream.router,
    proposals.router,
    tasks.router,
    audit.router,
    providers.router,
    quality.router,
    agents.router,
    task_configs.router,
    assignments.router,
    projects.router,
    sources.router,
    messages.router,
    ws_tokens.router,
    websocket.router,
    health.router,
    metrics.router,
)


class Application(FastAPI):
    """FastAPI, with a description that knows our problems."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = documentation.describe(self)
        return self.openapi_schema


@cache
def _routes() -> list[BaseRoute]:
    """Those of every application of this process: FastAPI takes a tenth of a second to work out their parameters."""
    root = APIRouter(generate_unique_id_function=documentation.operation_id)
    for router in _ROUTERS:
        root.include_router(router, prefix=PREFIX)
    for router in (websocket.router, documentation.router):
        root.include_router(router)
    return root.routes


def create_app(settings: Settings) -> FastAPI:
    """The API over the settings' database and Temporal server. Neither has to be there, now or later: a request that
    needs one that is away gets 503 `database_unavailable` or `temporal_unavailable`."""
    resources = Resources.from_settings(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await resources.hub.start()
        try:
            yield
        finally:
            await resources.hub.stop()
            await resources.database.close()

    app = Application(
        title="Gleaner",
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        routes=_routes(),
        middleware=[Middleware(Border), Middleware(BodyLimit)],
        exception_handlers={HTTPException: on_error, RequestValidationError: on_error},
    )
    app.state.resources = resources
    return app


def serve(settings: Settings) -> None:
    """Serve until told to stop; exit code 2 for settings that can't be served."""
    refusal = server.refusal_to_serve(settings)
    if refusal is not None:
        sys.stderr.write(f"{refusal}\n")
        raise SystemExit(2)
    logs.configure(settings)
    server.run(create_app(settings), settings)
