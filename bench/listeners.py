"""`python -m bench.listeners CLIENTS EVENTS URL…`: WebSocket clients that note when each event reaches them.

Prints `ready` once all are connected, and a list of the delays in milliseconds once all have heard so many events or
nothing more came. An event carries in its data when it was `sent`, by the machine's monotonic clock. The clients read
frames by themselves: a library's would take longer than the servers that are measured.
"""

import asyncio
import json
import re
import sys
import time
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

import uvloop

AT_ONCE = 20
SILENCE_SECONDS = 15.0
_SENT = re.compile(rb'"sent":\s*([0-9.e+-]+)')
_TEXT, _PING = 1, 9
_TWO_BYTES_OF_LENGTH = 126


class Listeners:
    """What all clients heard."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.milliseconds: list[float] = []
        self.last_heard = time.monotonic()
        self.done = asyncio.Event()

    async def until_done(self) -> None:
        """Until all is heard, or nothing comes any more."""
        self.last_heard = time.monotonic()
        while not self.done.is_set() and time.monotonic() < self.last_heard + SILENCE_SECONDS:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.done.wait(), 1)

    def hear(self, message: bytes, arrived: float) -> None:
        sent = _SENT.search(message)
        if sent is None:
            return
        self.last_heard = arrived
        self.milliseconds.append(round(1000 * (arrived - float(sent[1])), 3))
        if len(self.milliseconds) == self._expected:
            self.done.set()


class Client(asyncio.Protocol):
    """One connection. Understands what these servers send: texts of less than 64 KB in one frame each, and pings."""

    def __init__(self, host: str, path: str, listeners: Listeners) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).encode()
        self._listeners = listeners
        self._buffer = b""
        self.connected = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        arrived = time.monotonic()
        self._buffer += data
        if not self.connected.done() and not self._upgraded():
            return
        while (frame := self._next_frame()) is not None:
            opcode, payload = frame
            if opcode == _TEXT:
                self._listeners.hear(payload, arrived)
            elif opcode == _PING:
                self._transport.write(bytes((0x8A, 0x80 | len(payload))) + b"\0\0\0\0" + payload)

    def _upgraded(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._buffer = rest
        self.connected.set_result(None)
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < 4:
            return None
        start, size = 2, self._buffer[1]
        if size == _TWO_BYTES_OF_LENGTH:
            start, size = 4, int.from_bytes(self._buffer[2:4])
        if len(self._buffer) < start + size:
            return None
        opcode, payload = self._buffer[0] & 0x0F, self._buffer[start : start + size]
        self._buffer = self._buffer[start + size :]
        return opcode, payload


async def main(clients: int, events: int, urls: list[str]) -> None:
    listeners, slots = Listeners(clients * events), asyncio.Semaphore(AT_ONCE)

    async def connect(url: str) -> Client:
        address = urlsplit(url)
        async with slots:
            _, client = await asyncio.get_running_loop().create_connection(
                lambda: Client(address.netloc, address.path or "/", listeners),
                str(address.hostname),
                address.port or 80,
            )
            await client.connected
        return client

    await asyncio.gather(*(connect(urls[at % len(urls)]) for at in range(clients)))
    _say("ready")
    await listeners.until_done()
    _say(json.dumps(listeners.milliseconds))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
