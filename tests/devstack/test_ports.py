"""Ports are given out once, and never where a connection could take them."""

import socket
from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.ports import Ports, is_free


def test_free_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    ports = Ports()
    given = [ports.free() for _ in range(50)]
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert len(set(given)) == 50
    assert all(port < lowest_outgoing and is_free(port) for port in given)


def test_a_wanted_port_is_given_once() -> None:
    ports = Ports()
    wanted = Ports().free()

    assert ports.choose(wanted, "--api-port") == wanted
    with pytest.raises(StackError, match="--ui-port 0 picks a free one"):
        ports.choose(wanted, "--ui-port")


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_free(listener.getsockname()[1])
