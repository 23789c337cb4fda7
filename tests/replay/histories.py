"""The recorded histories: one file each at `histories/VERSION/NAME.json`, an event a line."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

_HERE = Path(__file__).parent
FOLDER = _HERE / "histories"


def present_version() -> str:
    """The version of this code."""
    project = tomllib.loads((_HERE.parents[1] / "pyproject.toml").read_text())["project"]
    return str(project["version"])


@dataclass(frozen=True)
class Recording:
    """What one version left in Temporal when a run was in the phase `name`."""

    version: str
    name: str
    folder: Path = FOLDER

    @property
    def path(self) -> Path:
        return self.folder / self.version / f"{self.name}.json"

    def read(self) -> WorkflowHistory:
        return WorkflowHistory.from_json(f"recorded-{self.name}", self.path.read_text())

    def write(self, history: WorkflowHistory) -> None:
        events = [json.dumps(event, separators=(",", ":")) for event in scrubbed(history.to_json_dict())["events"]]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text('{"events":[\n' + ",\n".join(events) + "\n]}\n")


def recordings(folder: Path = FOLDER) -> list[Recording]:
    """All of them, of all versions."""
    return [Recording(path.parent.name, path.stem, folder) for path in sorted(folder.glob("*/*.json"))]


def scrubbed(value: Any) -> Any:
    """A part of a history without the names of processes and hosts and the places of files. No replay reads them."""
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _SCRUBBED[key](item) if key in _SCRUBBED else scrubbed(item) for key, item in value.items()}


def _queue(queue: dict[str, Any]) -> dict[str, Any]:
    """A sticky queue is named after its worker."""
    return {**queue, "name": "sticky"} if queue.get("kind") == "TASK_QUEUE_KIND_STICKY" else queue


_SCRUBBED = {
    "identity": lambda _: "worker",
    "stackTrace": lambda _: "",
    "taskQueue": _queue,
}
