"""What every handler may use, made once per process."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.hub import Hub
from api.review_signals import ReviewSignals
from api.run_commands import RunCommands
from api.schemas.fields import NoFields
from api.temporal_gateway import TemporalGateway
from db.engine import Database
from db.vault import Vault
from settings import Settings


@dataclass(frozen=True)
class Resources:
    """The parts behind the API. Nothing in them connects before it is used."""

    settings: Settings
    database: Database
    vault: Vault
    temporal: TemporalGateway
    commands: RunCommands
    review_signals: ReviewSignals
    hub: Hub

    @classmethod
    def from_settings(cls, settings: Settings) -> "Resources":
        database = Database.from_settings(settings)
        temporal = TemporalGateway(settings)
        return cls(
            settings=settings,
            database=database,
            vault=Vault.from_settings(settings),
            temporal=temporal,
            commands=RunCommands(database, temporal),
            review_signals=ReviewSignals(temporal),
            hub=Hub(database),
        )


def resources_of(connection: HTTPConnection) -> Resources:
    """The resources of the application that serves this request or WebSocket."""
    resources: Resources = connection.app.state.resources
    return resources


async def _resources(connection: HTTPConnection) -> Resources:
    """Async like every dependency here: FastAPI calls a plain function in a thread, which costs more than the work."""
    return resources_of(connection)


Api = Annotated[Resources, Depends(_resources)]
"""A handler's parameter that receives the resources."""


async def _nothing(body: NoFields | None = None) -> None:
    """So that a field that nobody knows is an error here, too."""


NoBody = Annotated[None, Depends(_nothing)]
"""A parameter of a handler whose request has no fields."""
