"""Which web pages may talk to a service that asks for no key."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from errors import Forbidden


def is_loopback(host: str) -> bool:
    """Whether the name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_own(connection: HTTPConnection, origin: str) -> bool:
    """Whether the origin is the address that the caller used to reach this service."""
    try:
        return urlsplit(origin).netloc == connection.headers.get("host", "")
    except ValueError:
        return False


def check_local(connection: HTTPConnection, allowed_origins: Collection[str]) -> None:
    """403 for a call from a web page that is neither this service's own nor allowed.

    Any page in a browser can send requests to a loopback address. Its `Origin` shows it, or, when its own name was
    made to point here, the `Host`.
    """
    origin = connection.headers.get("origin")
    if origin is not None and origin in allowed_origins:
        return
    if not is_loopback(_host(connection)):
        raise Forbidden("forbidden_host", "Without keys this service answers only to a loopback address.")
    if origin is not None and not is_own(connection, origin):
        raise Forbidden("forbidden_origin", "Pages of other origins may not call this service.")


def _host(connection: HTTPConnection) -> str:
    """The name by which this service was called; nothing where that is none."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""
