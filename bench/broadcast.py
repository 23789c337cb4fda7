"""`python -m bench.broadcast PORT`: a server of nothing but `websockets`, that sends each line of its standard input to
every client. The yardstick of `bench.delivery`."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main(port: int) -> None:
    lines = await _stdin()
    async with serve(_stay, "127.0.0.1", port, compression=None) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while line := await lines.readline():
            broadcast(server.connections, line.decode().strip())


async def _stay(client: ServerConnection) -> None:
    await client.wait_closed()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
