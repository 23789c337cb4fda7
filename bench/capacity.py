"""How many calls the model's stand-in answers in a second, so that it can't be what slows the contenders down."""

import asyncio
import json
import time
from urllib.parse import urlsplit

from bench.model import Model

CONNECTIONS = 40
SECONDS, QUICK_SECONDS = 2.0, 0.2
_PROMPT = "\n".join(f"[m{number}] ann (2026-01-05T10:00:00Z): please look at part {number}" for number in range(1, 11))
_BODY = json.dumps({"model": "stand-in", "messages": [{"role": "user", "content": _PROMPT}]})


async def calls_a_second(model: Model, *, quick: bool) -> float:
    """By a client that does nothing but send and read."""
    await model.begin(latency=0)
    seconds = QUICK_SECONDS if quick else SECONDS
    end = time.monotonic() + seconds
    counts = await asyncio.gather(*(_ask_until(end, model.url) for _ in range(CONNECTIONS)))
    return sum(counts) / seconds


async def _ask_until(end: float, url: str) -> int:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    request = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(_BODY)}\r\n\r\n{_BODY}".encode()
    count = 0
    while time.monotonic() < end:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 200 ")
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        count += 1
    writer.close()
    return count
