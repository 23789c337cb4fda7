"""`python -m bench.http_load CONNECTIONS`: asks for what its standard input says, as fast as the answers come.

Each line is a JSON object `{"host", "port", "path", "headers", "seconds"}`; each is answered by a line
`{"requests", "seconds", "bytes", "busy"}`, where `busy` is the share of a processor that this client itself took.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop


class Connection:
    """HTTP/1.1, one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> int:
        """The size of the reply's body; AssertionError for any status but 200."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        at = head.lower().index(b"content-length:") + len(b"content-length:")
        size = int(head[at : head.index(b"\r\n", at)])
        await self._reader.readexactly(size)
        return size

    def close(self) -> None:
        self._writer.close()


async def load(order: dict[str, Any], connections: int) -> dict[str, float]:
    headers = "".join(f"{name}: {value}\r\n" for name, value in order["headers"].items())
    request = f"GET {order['path']} HTTP/1.1\r\nhost: {order['host']}:{order['port']}\r\n{headers}\r\n".encode()
    opened = [
        Connection(*await asyncio.open_connection(order["host"], order["port"], limit=2**22))
        for _ in range(connections)
    ]
    for connection in opened:
        await connection.ask(request)
    begin, busy = time.monotonic(), time.process_time()
    end = begin + order["seconds"]

    async def keep_asking(connection: Connection) -> tuple[int, int]:
        count = size = 0
        while time.monotonic() < end:
            size = await connection.ask(request)
            count += 1
        connection.close()
        return count, size

    asked = await asyncio.gather(*(keep_asking(connection) for connection in opened))
    seconds = time.monotonic() - begin
    return {
        "requests": sum(count for count, _ in asked),
        "seconds": seconds,
        "bytes": asked[0][1],
        "busy": (time.process_time() - busy) / seconds,
    }


async def main(connections: int) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        sys.stdout.write(json.dumps(await load(json.loads(line), connections)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
