"""The API for the time of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from commands import console
from commands.api_client import ApiClient, ApiError
from settings import get_settings


@contextmanager
def api_session() -> Iterator[ApiClient]:
    """A client at the settings' address whose errors end the command with 1."""
    try:
        with ApiClient(get_settings()) as api:
            yield api
    except ApiError as error:
        console.fail(str(error))
