"""The life of a run as a table: which command leads from which states to which. Nothing else decides it."""

from typing import Literal

from errors import Conflict
from models.run import AnalysisRun
from models.values import RunStatus

Command = Literal[
    "start",
    "begin",
    "pause",
    "resume",
    "cancel",
    "complete",
    "fail",
    "retry",
    "review",
    "unreview",
    "close",
    "set_limits",
]

_ANY_OPEN: tuple[RunStatus, ...] = ("pending", "running", "paused", "completed", "reviewed", "failed")

TRANSITIONS: dict[Command, tuple[tuple[RunStatus, ...], RunStatus | None]] = {
    "start": (("pending",), None),
    "begin": (("pending",), "running"),
    "pause": (("running",), "paused"),
    "resume": (("paused",), "running"),
    "cancel": (("pending", "running", "paused"), "cancelled"),
    "complete": (("running",), "completed"),
    "fail": (("running", "paused"), "failed"),
    "retry": (("completed", "failed"), "running"),
    "review": (("completed",), "reviewed"),
    "unreview": (("reviewed",), "completed"),
    "close": (("completed", "reviewed", "failed", "cancelled"), "closed"),
    "set_limits": (_ANY_OPEN, None),
}
"""Command → (the states that allow it, the state that it leads to; None where the state stays)."""


def allows(command: Command, status: RunStatus) -> bool:
    return status in TRANSITIONS[command][0]


def check(command: Command, run: AnalysisRun) -> None:
    """Refuse a command that the run's state forbids: 409 `invalid_transition`, for `start` 409 `run_not_pending`."""
    if allows(command, run.status):
        return
    sources = " or ".join(TRANSITIONS[command][0])
    code = "run_not_pending" if command == "start" else "invalid_transition"
    detail = f"A run that is {run.status} can't take {command!r}; it must be {sources}."
    raise Conflict(code, detail, run_status=run.status)


def move(command: Command, run: AnalysisRun) -> None:
    """Change the run's state as the command says; 409 and no change where the state forbids it."""
    check(command, run)
    target = TRANSITIONS[command][1]
    if target is not None:
        run.status = target
        run.paused_reason = None


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> pending: create"]
    for command, (sources, target) in TRANSITIONS.items():
        lines += [f"    {source} --> {target}: {command}" for source in sources if target is not None]
    return "\n".join([*lines, "    closed --> [*]"])
