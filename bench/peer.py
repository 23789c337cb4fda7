"""The peers: programs of their own in a virtual environment of their own, driven over their standard input."""

from bench.contender import Contender


def installed_peers() -> list[Contender]:
    return []
