"""`python -m bench.listeners CLIENTS EVENTS URL…`: WebSocket clients that note when each event reaches them.

Prints `ready` once all are connected, and a list of the delays in milliseconds once all have heard so many events or
nothing more came. An event carries in its data when it was `sent`, by the machine's monotonic clock.
"""

import asyncio
import json
import re
import sys
import time
from contextlib import suppress

import uvloop
from websockets.asyncio.client import ClientConnection, connect

AT_ONCE = 20
SILENCE_SECONDS = 15.0
_SENT = re.compile(rb'"sent":\s*([0-9.e+-]+)')


class Listeners:
    def __init__(self, events: int) -> None:
        self._events = events
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.milliseconds: list[float] = []

    async def connect(self, url: str) -> ClientConnection:
        async with self._slots:
            return await connect(url, proxy=None, compression=None, open_timeout=60)

    async def hear(self, client: ClientConnection) -> None:
        heard = 0
        with suppress(TimeoutError):
            while heard < self._events:
                message = await asyncio.wait_for(client.recv(decode=False), SILENCE_SECONDS)
                arrived = time.monotonic()
                sent = _SENT.search(message)
                if sent is not None:
                    heard += 1
                    self.milliseconds.append(round(1000 * (arrived - float(sent[1])), 3))


async def main(clients: int, events: int, urls: list[str]) -> None:
    listeners = Listeners(events)
    connected = await asyncio.gather(*(listeners.connect(urls[at % len(urls)]) for at in range(clients)))
    hearing = [asyncio.create_task(listeners.hear(client)) for client in connected]
    _say("ready")
    await asyncio.gather(*hearing)
    _say(json.dumps(listeners.milliseconds))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
