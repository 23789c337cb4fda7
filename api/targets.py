"""Which addresses a model server may have."""

import ipaddress
import socket
from urllib.parse import urlsplit

from api.problems import invalid_field

_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def check_public(url: str, *, allow_private: bool) -> None:
    """422 `private_target` for an address that shows that it isn't of the public internet.

    Looks at the text alone. What a name resolves to is looked at whenever the worker calls it, since that can change.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    if not allow_private and not _is_public(host):
        message = "base_url points to a private address, which this service does not allow."
        raise invalid_field("base_url", "private_target", message)


def _is_public(host: str) -> bool:
    address = _address(host)
    if address is None:
        return "." in host and not any(host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or _behind_nat64(address) or address
    return address.is_global and not address.is_multicast


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that the host is written as; None for a name. `127.1` and `0x7f000001` are addresses too."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
