"""The table of a run's life: what each state allows, and that everything else is refused."""

import re

import pytest

from db import runs, transitions
from db.engine import Database
from db.transitions import TRANSITIONS, Command
from errors import Conflict
from models.base import new_id, now
from models.run import AnalysisRun
from models.values import RunStatus, words
from tests.support.builders import add_run, events_of, run_of

STATUSES: tuple[RunStatus, ...] = words(RunStatus)  # type: ignore[assignment]  # its own words
COMMANDS: tuple[Command, ...] = tuple(TRANSITIONS)

# The design's table, written down once more: who changes the one must mean it.
LIFE: dict[tuple[RunStatus, Command], RunStatus] = {
    ("pending", "start"): "pending",
    ("pending", "begin"): "running",
    ("pending", "cancel"): "cancelled",
    ("pending", "set_limits"): "pending",
    ("running", "pause"): "paused",
    ("running", "complete"): "completed",
    ("running", "fail"): "failed",
    ("running", "cancel"): "cancelled",
    ("running", "set_limits"): "running",
    ("paused", "resume"): "running",
    ("paused", "fail"): "failed",
    ("paused", "cancel"): "cancelled",
    ("paused", "set_limits"): "paused",
    ("completed", "retry"): "running",
    ("completed", "review"): "reviewed",
    ("completed", "close"): "closed",
    ("completed", "set_limits"): "completed",
    ("reviewed", "unreview"): "completed",
    ("reviewed", "close"): "closed",
    ("reviewed", "set_limits"): "reviewed",
    ("failed", "retry"): "running",
    ("failed", "close"): "closed",
    ("failed", "set_limits"): "failed",
    ("cancelled", "close"): "closed",
}
REFUSED = [(status, command) for status in STATUSES for command in COMMANDS if (status, command) not in LIFE]


def run_that_is(status: RunStatus) -> AnalysisRun:
    return AnalysisRun(
        status=status,
        paused_reason="requested" if status == "paused" else None,
        time_window_start=now(),
        time_window_end=now(),
        agent_assignment_id=new_id(),
    )


@pytest.mark.parametrize(("status", "command"), LIFE)
def test_a_command_leads_where_the_table_says(status: RunStatus, command: Command) -> None:
    run = run_that_is(status)
    assert transitions.allows(command, status)
    transitions.move(command, run)
    assert run.status == LIFE[status, command]
    left = run.status != status
    assert run.paused_reason == ("requested" if status == "paused" and not left else None)


@pytest.mark.parametrize(("status", "command"), REFUSED)
def test_any_other_command_is_refused_and_changes_nothing(status: RunStatus, command: Command) -> None:
    run = run_that_is(status)
    before = run.model_dump()
    assert not transitions.allows(command, status)
    with pytest.raises(Conflict) as refused:
        transitions.move(command, run)
    assert refused.value.status == 409
    assert refused.value.code == ("run_not_pending" if command == "start" else "invalid_transition")
    assert refused.value.extra == {"run_status": status}
    assert run.model_dump() == before


async def test_a_refused_command_leaves_the_row_and_its_events_alone(database: Database) -> None:
    for day, (status, command) in enumerate(REFUSED):
        made = await add_run(database, status=status, day=day)
        with pytest.raises(Conflict):
            async with runs.locked(database, made.id) as held:
                held.move(command)
        assert (await run_of(database, made.id)).model_dump() == made.model_dump()
        assert [event.event for event in await events_of(database, made.id)] == ["run_created"]


def test_closed_is_the_end() -> None:
    assert [command for command in COMMANDS if transitions.allows(command, "closed")] == []


def test_every_state_can_be_reached_and_all_but_closed_be_left() -> None:
    assert {target for _, target in TRANSITIONS.values() if target} | {"pending"} == set(STATUSES)
    assert {status for status, command in LIFE if LIFE[status, command] != status} == set(STATUSES) - {"closed"}


def test_the_diagram_shows_the_table() -> None:
    first, *lines = transitions.diagram().splitlines()
    assert first == "stateDiagram-v2"
    assert lines[0].strip() == "[*] --> pending: create"
    assert lines[-1].strip() == "closed --> [*]"
    arrows = [re.fullmatch(r" +(\w+) --> (\w+): (\w+)", line) for line in lines[1:-1]]
    shown = {(arrow[1], arrow[3]): arrow[2] for arrow in arrows if arrow}
    assert shown == {key: target for key, target in LIFE.items() if key[1] not in ("start", "set_limits")}
    assert len(arrows) == len(shown)
