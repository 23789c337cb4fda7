"""The one way to a Temporal server: a dev server, a cluster, or Temporal Cloud, by the settings alone."""

from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import TLSConfig

from settings import Settings


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client. With `lazy` it is there at once and connects at its first call.

    Raises RuntimeError where the server does not answer.
    """
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None,
        tls=_tls(settings),
        data_converter=pydantic_data_converter,
        lazy=lazy,
    )


def _tls(settings: Settings) -> TLSConfig | bool:
    files = (settings.temporal_tls_ca_file, settings.temporal_tls_cert_file, settings.temporal_tls_key_file)
    if not any(files):
        return settings.temporal_tls
    ca, cert, key = (Path(name).read_bytes() if name else None for name in files)
    return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)
