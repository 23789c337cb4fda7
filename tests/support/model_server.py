"""A language model's stand-in: a real HTTP server that speaks Chat Completions and misbehaves on demand.

In a test: `with ModelServer() as server:`, then `server.base_url`, `server.script(Rule("rate_limited", times=2))` and
`server.stats()`. In a process of its own: `python -m tests.support.model_server --port 0`, which prints
`ready http://127.0.0.1:PORT`; `POST /control` and `GET /stats` are the same in JSON.

It reads the layout of the first user message as the contract describes it and knows nothing of our own code, so that it
can play any model, and checks the contract in passing.
"""

import argparse
import asyncio
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Self

from tests.support.model_answers import (
    Answer,
    Count,
    Reply,
    Rude,
    ShownLine,
    answer_for,
    first_user_text,
    pairs_answer,
    read_lines,
    read_pairs,
)
from tests.support.model_answers import reply as reply_to
from tests.support.model_script import Rule, Script, Stats

Headers = Mapping[str, str]


class ModelServer:
    """The server in a thread of its own, on a free loopback port."""

    def __init__(self, *, answer: Callable[[list[ShownLine]], Answer] = answer_for, port: int = 0) -> None:
        self.answer = answer
        self.finds_same = True
        """What it says of pairs of titles."""
        self.count: Count | None = None
        """What counts the tokens that it charges for, where they are to be right."""
        self.port = port
        self.state = Script()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)
        self._stopping = asyncio.Event()
        self._held_after: int | None = None
        self._released = asyncio.Event()
        self._ready = threading.Event()
        self._handlers: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What a provider of type `openai` gets as its `base_url`."""
        return f"{self.url}/v1"

    def script(self, *rules: Rule, latency: float = 0.0, seed: int = 0) -> None:
        """From now on misbehave by these rules, the first that fits; count the calls from 1 again."""
        self.state.begin(rules, latency=latency, seed=seed)

    def hold(self, *, after: int = 0, latency: float = 0.0) -> None:
        """As `script`; the calls after the first so many get their answers when they are released."""
        self._released.clear()
        self._held_after = after
        self.script(latency=latency)

    def release(self) -> None:
        """Answer those that are held, and hold none any more."""
        self._held_after = None
        self._loop.call_soon_threadsafe(self._released.set)

    def stats(self) -> Stats:
        return self.state.stats()

    def start(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10), "the model server did not start"
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.run(self.serve(self._ready.set))

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until told to stop. `ready` is called once the port is known."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=512, limit=2**26)
        self.port = server.sockets[0].getsockname()[1]
        self._loop = asyncio.get_running_loop()
        ready()
        await self._stopping.wait()
        server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            self.state.connected()
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client went away, or the server is told to stop: asyncio would log a handler that says so.
        finally:
            self._handlers.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply. False when the connection is over."""
        method, path, headers, body = await _read_request(reader)
        match method, path:
            case "GET", "/stats":
                return await _send(writer, Reply(200, self.state.stats().as_json()))
            case "POST", "/control":
                self.state.control(json.loads(body))
                return await _send(writer, Reply(200, {}))
            case "GET", "/v1/models":
                return await _send(writer, Reply(200, {"object": "list", "data": [{"id": "stand-in"}]}))
            case _:
                return await self._complete(path, headers, body, reader, writer)

    async def _complete(
        self, path: str, headers: Headers, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        request = json.loads(body or b"{}")
        prompt = first_user_text(request)
        with self.state.call(prompt) as call:
            if self._held_after is not None and call.number > self._held_after:
                await _until(self._released, reader)
            await _pause(reader, self.state.latency)
            rule = call.rule
            if rule is not None and rule.do == "hang":
                await _pause(reader, rule.seconds)
            if rule is not None and rule.do == "reset":
                return _reset(writer)
            if rule is None and not path.endswith("/chat/completions"):
                reply = Reply(404, {"error": {"message": "no such path"}})
            else:
                rude = Rude(prompt, headers.get("authorization", ""))
                reply = reply_to(request, self._answer(prompt), rule, rude, self.count)
            alive = await _send(writer, reply, cut_short=rule is not None and rule.do == "cut_off")
            call.done(reply.status)
            return alive

    def _answer(self, prompt: str) -> Answer:
        pairs = read_pairs(prompt)
        return pairs_answer(pairs, same=self.finds_same) if pairs else self.answer(read_lines(prompt))


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, Headers, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return method, target.partition("?")[0], headers, body


async def _send(writer: asyncio.StreamWriter, reply: Reply, *, cut_short: bool = False) -> bool:
    body = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
    kind = "text/html" if isinstance(reply.body, str) else "application/json"
    head = [f"HTTP/1.1 {reply.status} Stand-in", f"content-type: {kind}", f"content-length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in reply.headers.items()]
    writer.write("\r\n".join([*head, "", ""]).encode() + (body[: len(body) // 2] if cut_short else body))
    await writer.drain()
    if cut_short:
        writer.close()
    return not cut_short


async def _until(event: asyncio.Event, reader: asyncio.StreamReader) -> None:
    """Wait for the event, and notice a client that goes away meanwhile."""
    waited, gone = asyncio.create_task(event.wait()), asyncio.create_task(reader.read(1))
    try:
        await asyncio.wait((waited, gone), return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise ConnectionResetError("the client went away")
    finally:
        for task in (waited, gone):
            task.cancel()
        await asyncio.gather(waited, gone, return_exceptions=True)


async def _pause(reader: asyncio.StreamReader, seconds: float) -> None:
    """Wait, and notice a client that goes away meanwhile."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await reader.read(1)
    except TimeoutError:
        return
    raise ConnectionResetError("the client went away")


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Close without lingering, which the client sees as a connection reset by its peer."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    options = parser.parse_args()
    server = ModelServer(port=options.port)
    server.script(latency=options.latency)

    def ready() -> None:
        sys.stdout.write(f"ready {server.url}\n")
        sys.stdout.flush()

    asyncio.run(server.serve(ready))


if __name__ == "__main__":
    main()
