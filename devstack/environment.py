"""The environment in which the stack runs API and worker."""

import os
from collections.abc import Mapping

from devstack.ports import HOST
from settings import Settings

_SETTINGS_OF_THE_STACK: Mapping[str, str] = {
    "GLEANER_API_HOST": HOST,
    "GLEANER_TEMPORAL_NAMESPACE": "default",
    "GLEANER_TEMPORAL_TLS": "false",
    "PYTHONUNBUFFERED": "1",  # the end of a crashed part's log has to be there
}
_DEFAULTS: Mapping[str, str] = {"auth": "off", "allow_private_targets": "true"}
"""Settings that a stack on one machine has unless the user says otherwise."""


def stack_environment(
    *, database_url: str, temporal_address: str, temporal_ui_url: str, api_url: str, api_port: int, secret_key: str
) -> dict[str, str]:
    """Our own environment, with the stack's addresses and, where neither it nor `.env` has them, the defaults of a
    stack on one machine."""
    explicit = Settings().model_fields_set
    defaults = {**_DEFAULTS, "secret_key": secret_key}
    return {
        **os.environ,
        **_SETTINGS_OF_THE_STACK,
        "GLEANER_DATABASE_URL": database_url,
        "GLEANER_TEMPORAL_ADDRESS": temporal_address,
        "GLEANER_TEMPORAL_UI_URL": temporal_ui_url,
        "GLEANER_API_URL": api_url,
        "GLEANER_API_PORT": str(api_port),
        **{f"GLEANER_{name.upper()}": value for name, value in defaults.items() if name not in explicit},
    }
