"""A client of the WebSocket that lives through everything, and what it heard of a run."""

import asyncio
import json
from typing import Any

import websockets

from tests.support.service import Service


class Listener:
    """Hears one run, and reconnects with the number of the last event that it heard."""

    def __init__(self, service: Service, run_id: str) -> None:
        self._service = service
        self._run_id = run_id
        self.heard: list[dict[str, Any]] = []
        self.reconnects = -1
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while True:
            seq = self.heard[-1]["seq"] if self.heard else 0
            url = f"{self._service.socket_url}?run_id={self._run_id}&after_seq={seq}"
            try:
                async with websockets.connect(url, proxy=None, open_timeout=5) as socket:
                    self.reconnects += 1
                    async for message in socket:
                        event = json.loads(message)
                        if event.get("seq") is not None:
                            self.heard.append(event)
            except (OSError, TimeoutError, websockets.ConnectionClosed, websockets.InvalidHandshake, EOFError):
                await asyncio.sleep(0.1)  # as a client does before it comes again

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
