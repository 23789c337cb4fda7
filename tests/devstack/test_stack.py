"""The whole stack as its user meets it: real servers, stand-ins for API and worker, and processes that get killed."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.devstack.running_stack import RunningStack, none_alive, parent, wait_for

Start = Callable[..., RunningStack]
ENDLESS_QUERY = "SELECT count(*) FROM generate_series(1, 1000000000000) AS n WHERE n % 7 = 8"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts stacks on free ports in the test's own folder, and ends them."""
    started: list[RunningStack] = []

    def _start(name: str = "data", *options: str) -> RunningStack:
        started.append(RunningStack(tmp_path / name, *options))
        return started[-1]

    yield _start
    for stack in started:
        stack.discard()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that outlives the tests which kill its parts."""
    stack = RunningStack(tmp_path_factory.mktemp("shared") / "data")
    stack.until_ready()
    yield stack
    stack.discard()


def kill_and_wait(stack: RunningStack, part: str) -> None:
    """Kill a part; returns when it has a new process, and the stack has said so."""
    before = stack.pid(part)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: stack.pid(part) != before and f"restarted {part} (exit -9), pid {stack.pid(part)}" in stack.output)


async def starts(dsn: str) -> int:
    """How often `migrate` has run on these data."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM starts"))
    finally:
        await connection.close()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


async def test_a_stack_keeps_its_data_from_one_start_to_the_next_and_leaves_no_process_behind(start: Start) -> None:
    for count, number in enumerate((signal.SIGTERM, signal.SIGINT), 1):
        stack = start()
        stack.until_ready()
        assert await starts(stack.description["postgres"]) == count
        family = stack.family()
        assert len(family) > 8  # the four parts and PostgreSQL's own processes
        assert stack.end(number) == 0
        assert none_alive(family)
        assert not (stack.data_dir / "stack.json").exists()
        assert "worker stops gracefully" in (stack.data_dir / "logs/worker.log").read_text()


def test_every_part_is_a_direct_child_that_the_description_names(shared: RunningStack) -> None:
    description = shared.description

    assert description["pids"].keys() == {"postgres", "temporal", "worker", "api"}
    assert {parent(pid) for pid in description["pids"].values()} == {shared.process.pid}
    assert stat.S_IMODE((shared.data_dir / "stack.json").stat().st_mode) == 0o600
    for part in description["pids"]:
        assert (shared.data_dir / f"logs/{part}.log").exists()


def test_the_ready_line_says_where_everything_answers(shared: RunningStack) -> None:
    address = r"127\.0\.0\.1:\d+"
    found = re.match(rf"ready api=(http://{address}) temporal=({address}) ui=(http://{address})\n", shared.output)

    assert found
    description = shared.description
    assert found.groups() == (description["api"], description["temporal"], description["ui"])
    assert answers(f"{description['api']}/api/v1/health/ready")
    assert answers(f"{description['ui']}/api/v1/namespaces/default")


async def test_the_extensions_can_be_made_by_the_role_of_the_stack(shared: RunningStack) -> None:
    connection = await asyncpg.connect(shared.description["postgres"])
    for extension in ("btree_gist", "pg_trgm", "vector"):
        await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    assert await connection.fetchval("SELECT similarity('Привет', 'привет')") == 1
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()


@pytest.mark.parametrize("part", ["worker", "api", "temporal", "postgres"])
async def test_a_killed_part_comes_back_at_its_address(shared: RunningStack, part: str) -> None:
    before = shared.description
    kill_and_wait(shared, part)
    after = shared.description

    assert f"restarted {part} (exit -9), pid {after['pids'][part]}\n" in shared.output
    assert after == {**before, "pids": {**before["pids"], part: after["pids"][part]}}
    wait_for(lambda: answers(f"{after['api']}/api/v1/health/ready"))
    wait_for(lambda: answers(f"{after['ui']}/api/v1/namespaces/default"))
    await until_postgres_answers(after["postgres"])


async def until_postgres_answers(dsn: str) -> None:
    async with asyncio.timeout(60):
        while not await has_starts(dsn):
            pass


async def has_starts(dsn: str) -> bool:
    try:
        return await starts(dsn) > 0
    except (OSError, asyncpg.PostgresError):
        return False


def test_a_killed_worker_takes_its_own_children_with_it(shared: RunningStack) -> None:
    helper = int((shared.data_dir / "helper.pid").read_text())
    kill_and_wait(shared, "worker")

    assert none_alive({helper})


async def test_a_query_under_way_does_not_hold_up_the_restart_of_a_killed_database(shared: RunningStack) -> None:
    await until_postgres_answers(shared.description["postgres"])
    busy = await asyncpg.connect(shared.description["postgres"])
    backend = await busy.fetchval("SELECT pg_backend_pid()")
    query = asyncio.create_task(busy.execute(ENDLESS_QUERY))
    watching = await asyncpg.connect(shared.description["postgres"])
    while await watching.fetchval("SELECT state FROM pg_stat_activity WHERE pid = $1", backend) != "active":
        pass
    kill_and_wait(shared, "postgres")
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await query
    watching.terminate()

    assert none_alive({backend})
    await until_postgres_answers(shared.description["postgres"])


def test_a_part_that_was_ready_may_die_as_often_as_it_likes(shared: RunningStack) -> None:
    for _ in range(4):
        kill_and_wait(shared, "worker")
    assert shared.process.poll() is None


def test_a_second_stack_on_the_same_folder_is_refused(shared: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(shared.data_dir)
    second = RunningStack(tmp_path / "link")

    assert second.process.wait(30) == 1
    assert second.errors == (
        f"another stack (process {shared.process.pid}) runs on {shared.data_dir}: "
        "stop it, or choose another folder with --data-dir\n"
    )


async def test_a_second_stack_in_another_folder_runs_beside_it(shared: RunningStack, start: Start) -> None:
    second = start("other", "--no-worker", "--demo", "3")

    assert second.process.wait(60) == 3, second.errors
    assert second.output.startswith("ready ")
    assert await starts(shared.description["postgres"]) == 1


@pytest.mark.parametrize("option", ["--api-port", "--temporal-port", "--ui-port"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(start: Start, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        stack = start("data", option, str(port))
        assert stack.process.wait(30) == 1

    assert f"port {port} is taken" in stack.errors
    assert option in stack.errors
    assert stack.output == ""


def test_nothing_outlives_a_killed_supervisor_and_the_stack_starts_again_on_its_ports(start: Start) -> None:
    stack = start()
    description = stack.until_ready()
    family = stack.family()
    addresses = (description["api"], description["temporal"], description["ui"])
    api, temporal, ui = (address.rpartition(":")[2] for address in addresses)
    stack.end(signal.SIGKILL)
    again = start("data", "--api-port", api, "--temporal-port", temporal, "--ui-port", ui)
    again.until_ready()

    assert none_alive(family)


def test_the_watchdog_is_replaced_when_it_is_killed(start: Start) -> None:
    stack = start()
    stack.until_ready()
    (watchdog,) = watchdogs(stack)
    os.kill(watchdog, signal.SIGKILL)
    wait_for(lambda: bool(watchdogs(stack) - {watchdog}))
    family = stack.family()
    stack.end(signal.SIGKILL)

    wait_for(lambda: none_alive(family))
    wait_for(lambda: not (stack.data_dir / "stack.json").exists())


def watchdogs(stack: RunningStack) -> set[int]:
    return {pid for pid in stack.family() if b"devstack.watchdog_process" in _command_line(pid)}


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it ended a moment ago
        return b""


def test_a_stack_can_be_stopped_while_it_starts(start: Start) -> None:
    stack = start()
    wait_for(lambda: (stack.data_dir / "postgres/data.new").exists())
    family = stack.family()

    assert stack.end() == 0
    assert none_alive(family)
    assert stack.output == "stopping (SIGTERM)\n"


def test_a_second_signal_does_not_wait_for_a_part_that_will_not_end(start: Start) -> None:
    stack = start("data", "--role", "worker=stubborn")
    stack.until_ready()
    family = stack.family()
    stack.process.send_signal(signal.SIGINT)
    wait_for(lambda: "stopping (SIGINT)" in stack.output)

    assert stack.end(signal.SIGINT) == 0  # sooner than what the program gives a part to end
    assert none_alive(family)


@pytest.mark.parametrize("part", ["api", "worker"])
def test_a_part_that_never_gets_ready_ends_the_stack_with_its_log(start: Start, part: str) -> None:
    stack = start("data", "--role", f"{part}=crash")
    wait_for(lambda: "restarted" in stack.output or stack.process.poll() is not None)
    family = stack.family()

    assert stack.process.wait(60) == 1
    assert f"{part} died three times in a minute" in stack.errors
    assert "the stub can't go on" in stack.errors
    assert stack.output.count(f"restarted {part} (exit 1)") == 2
    assert none_alive(family)


def test_parts_get_the_addresses_of_the_stack(shared: RunningStack) -> None:
    environment = json.loads((shared.data_dir / "environment.json").read_text())
    description = shared.description

    assert environment["GLEANER_DATABASE_URL"] == description["postgres"]
    assert environment["GLEANER_TEMPORAL_ADDRESS"] == description["temporal"]
    assert environment["GLEANER_TEMPORAL_UI_URL"] == description["ui"]
    assert environment["GLEANER_API_URL"] == description["api"]
    assert environment["GLEANER_AUTH"] == "off"
    assert environment["GLEANER_SECRET_KEY"] == (shared.data_dir / "secret-key").read_text()
