"""Ports for the servers of a stack, on 127.0.0.1."""

import secrets
import socket
from pathlib import Path

from devstack.errors import StackError

HOST = "127.0.0.1"
_LOWEST = 15_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Ports:
    """Gives out ports, each at most once."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def choose(self, wanted: int, option: str) -> int:
        """`wanted` if it is free, or some free port if `wanted` is 0. `option` is how the user asks for another one.

        Raises StackError `port_taken`.
        """
        if wanted == 0:
            return self.free()
        if wanted in self._given or not is_free(wanted):
            raise StackError(
                "port_taken",
                f"port {wanted} is taken: stop the program that listens there, or choose another port "
                f"with {option} ({option} 0 picks a free one)",
            )
        self._given.add(wanted)
        return wanted

    def free(self) -> int:
        """A free port below the range from which the system serves outgoing connections.

        A part that is restarted needs its port again; in that range any connection could have taken it meanwhile.
        """
        ceiling = _ephemeral_start()
        while True:
            # Not the process's own generator: two processes that were seeded alike would choose the same ports.
            port = _LOWEST + secrets.randbelow(ceiling - _LOWEST)
            if port not in self._given and is_free(port):
                self._given.add(port)
                return port


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def _ephemeral_start() -> int:
    try:
        start = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except OSError:
        return 32_768
    return start if start > _LOWEST + 1_000 else 32_768
