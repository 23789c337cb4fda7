"""What Compose starts, started here: its scripts and our commands, with its variables, on real servers.

The containers' host names become the addresses of the tests' servers, and the role and database `gleaner` become
`deployed`, because the tests' superuser is called `gleaner` already. All else is as Compose gives it.
"""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from db import heartbeats, keys
from db.engine import Database
from devstack.account import Account, choose_account
from devstack.ports import Ports
from devstack.servers import Servers
from devstack.temporal import binary
from tests.deploy import compose_file
from tests.deploy.compose_file import ROOT, SECRETS
from tests.support.waiting import until
from workflows.contract import SEARCH_ATTRIBUTES

NAMESPACE = "deployed"
PROGRAMS = f"{Path(sys.executable).parent}:{binary().parent}:{os.environ['PATH']}"


@dataclass(frozen=True)
class Deployment:
    """Compose's services over the tests' servers. `chosen` is what an operator writes into `.env`."""

    chosen: Mapping[str, str]
    stack: Servers
    api_port: int
    folder: Path

    def service(self, name: str) -> dict[str, Any]:
        return compose_file.services(self.chosen)[name]

    def environment(self, name: str) -> dict[str, str]:
        """The service's variables, and the image's."""
        server = urlsplit(self.stack.dsn)
        addresses = {
            "//gleaner:": "//deployed:",
            "@postgres:5432/gleaner": f"@{server.hostname}:{server.port}/deployed",
            "temporal:7233": self.stack.temporal_address,
        }
        variables = {"PATH": PROGRAMS, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        for variable, value in self.service(name)["environment"].items():
            for theirs, ours in addresses.items():
                value = value.replace(theirs, ours)
            variables[variable] = str(self.api_port) if variable == "GLEANER_API_PORT" else value
        return variables

    @property
    def dsn(self) -> str:
        return self.environment("migrate")["GLEANER_DATABASE_URL"]

    async def start(self, *argv: str, service: str, output: int = DEVNULL) -> Process:
        environment = self.environment(service)
        return await asyncio.create_subprocess_exec(
            *argv, cwd=self.folder, env=environment, stdout=output, stderr=STDOUT if output == PIPE else output
        )

    async def run(self, *argv: str, service: str) -> tuple[int | None, str]:
        """Exit code and output."""
        process = await self.start(*argv, service=service, output=PIPE)
        printed, _ = await process.communicate()
        return process.returncode, printed.decode()

    async def run_service(self, name: str) -> tuple[int | None, str]:
        """Exit code and output of a service that ends by itself."""
        return await self.run(*self._argv(name), service=name)

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[Process]:
        """The service as soon as it is healthy; at the end it is gone, if need be by force."""
        process = await self.start(*self._argv(name), service=name)
        try:
            await until(lambda: self.healthy(name))
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def healthy(self, name: str) -> bool:
        """Whether the service's own health check passes."""
        _, *test = self.service(name)["healthcheck"]["test"]
        code, _ = await self.run(*(argument.replace("/app/", f"{ROOT}/") for argument in test), service=name)
        return code == 0

    async def stop(self, name: str, process: Process) -> tuple[int, float]:
        """Exit code and seconds after the signal that Compose sends; TimeoutError where Compose would kill."""
        grace = float(self.service(name)["stop_grace_period"].removesuffix("s"))
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(process.wait(), grace), time.monotonic() - begun

    def _argv(self, name: str) -> list[str]:
        service = self.service(name)
        entrypoint: list[str] = service.get("entrypoint", ["gleaner"])
        mounts = [mount.split(":") for mount in service.get("volumes", [])]
        places = {target: str(ROOT / source) for source, target, *_ in mounts}
        return [places.get(argument, argument) for argument in [*entrypoint, *service.get("command", [])]]


@pytest.fixture(scope="module")
async def deployment(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """PostgreSQL and the Temporal namespace are set up, and nothing else."""
    folder = tmp_path_factory.mktemp("deployed")
    chosen = {name: secrets.token_hex(32) for name in SECRETS} | {"GLEANER_TEMPORAL_NAMESPACE": NAMESPACE}
    deployment = Deployment(chosen, stack, Ports().free(), folder)
    await _set_up_postgres(deployment, choose_account(folder))
    code, printed = await deployment.run_service("temporal-namespace")
    assert code == 0, printed
    return deployment


@pytest.fixture(scope="module")
async def migrated(deployment: Deployment) -> Deployment:
    code, printed = await deployment.run_service("migrate")
    assert code == 0, printed
    return deployment


@pytest.fixture(scope="module")
async def key(migrated: Deployment) -> str:
    """An API key that may read."""
    async with Database(migrated.dsn) as database, database.transaction() as session:
        return (await keys.create(session, "deployment", ["read"])).secret


def test_the_options_of_postgres_make_and_suit_a_data_directory(tmp_path: Path) -> None:
    service = compose_file.services(dict.fromkeys(SECRETS, "chosen"))["postgres"]
    account = choose_account(tmp_path)
    data = str(account.home / "data")
    made = _output(account, "initdb", "--pgdata", data, *service["environment"]["POSTGRES_INITDB_ARGS"].split())
    assert "locale provider:   builtin" in made
    assert "default collation: C.UTF-8" in made
    assert _output(account, "postgres", "-D", data, "-C", "max_connections", *service["command"][1:]) == "250\n"


async def test_gleaner_and_temporal_have_roles_of_their_own_and_no_way_into_each_others_databases(
    deployment: Deployment,
) -> None:
    mine, theirs = _login(deployment, "deployed"), _login(deployment, "temporal")
    for login, own, foreign in ((mine, "deployed", "temporal"), (theirs, "temporal", "deployed")):
        connection = await asyncpg.connect(**login, database=own)
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        await connection.execute("CREATE TABLE mine (n int); DROP TABLE mine")
        await connection.close()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(**login, database=foreign)


async def test_temporal_may_make_the_extension_that_its_schema_asks_for(deployment: Deployment) -> None:
    connection = await asyncpg.connect(**_login(deployment, "temporal"), database="temporal_visibility")
    await connection.execute("CREATE EXTENSION btree_gin")
    await connection.close()


async def test_the_namespace_keeps_closed_workflows_for_30_days_and_is_left_alone_when_it_is_there(
    deployment: Deployment,
) -> None:
    assert await deployment.run_service("temporal-namespace") == (0, f"The namespace {NAMESPACE} is there.\n")
    client = await Client.connect(deployment.stack.temporal_address)
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=30)


async def test_migrate_makes_the_tables_and_registers_the_search_attributes(migrated: Deployment) -> None:
    client = await Client.connect(migrated.stack.temporal_address)
    reply = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=NAMESPACE))
    assert reply.custom_attributes.keys() == SEARCH_ATTRIBUTES.keys()
    connection = await asyncpg.connect(migrated.dsn)
    assert await connection.fetchval("SELECT count(*) FROM analysis_runs") == 0
    await connection.close()


async def test_migrate_can_run_again(migrated: Deployment) -> None:
    code, printed = await migrated.run_service("migrate")
    assert code == 0, printed


async def test_the_api_lets_nobody_in_without_a_key_and_stops_when_told_to(migrated: Deployment, key: str) -> None:
    assert not await migrated.healthy("api")
    async with migrated.running("api") as process, _client(migrated) as http:
        assert (await http.get("/health/live")).json() == {"status": "live"}
        for path in ("/health/ready", "/stats", "/providers"):
            refused = await http.get(path)
            assert (refused.status_code, refused.json()["code"]) == (401, "key_missing"), path
        assert (await http.get("/stats", headers=_bearer(key))).status_code == 200
        code, _ = await migrated.stop("api", process)
        assert code == 0


async def test_a_worker_is_healthy_while_it_works_and_stops_within_its_bound(migrated: Deployment, key: str) -> None:
    assert not await migrated.healthy("worker")
    async with migrated.running("worker") as worker:
        async with migrated.running("api"), _client(migrated) as http:
            ready = await http.get("/health/ready", headers=_bearer(key))
            assert ready.status_code == 200, ready.text
            code, seconds = await migrated.stop("worker", worker)
        assert code == 0
        assert seconds < float(migrated.environment("worker")["GLEANER_WORKER_SHUTDOWN_SECONDS"])
    assert not await migrated.healthy("worker")


async def test_a_worker_is_not_healthy_because_one_of_another_host_is(migrated: Deployment) -> None:
    async with Database(migrated.dsn) as database:
        for host, healthy in (("elsewhere", False), (socket.gethostname(), True)):
            worker_id = f"{host}-1"
            async with database.transaction() as session:
                await heartbeats.beat(session, worker_id, ["gleaner"])
            assert await migrated.healthy("worker") is healthy
            async with database.transaction() as session:
                await heartbeats.leave(session, worker_id)


async def _set_up_postgres(deployment: Deployment, account: Account) -> None:
    """Run the script that PostgreSQL's image runs, by the same program."""
    script = (ROOT / "deploy/postgres/init.sql").read_text().replace("gleaner", "deployed")
    (deployment.folder / "init.sql").write_text(script)
    psql = (str(account.programs / "psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=init.sql")
    code, printed = await deployment.run(*psql, deployment.stack.dsn, service="postgres")
    assert code == 0, printed


def _login(deployment: Deployment, role: str) -> dict[str, Any]:
    server = urlsplit(deployment.stack.dsn)
    password = {"deployed": "DATABASE_PASSWORD", "temporal": "TEMPORAL_DATABASE_PASSWORD"}[role]
    return {
        "host": server.hostname,
        "port": server.port,
        "user": role,
        "password": deployment.chosen[password],
    }


def _client(deployment: Deployment) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{deployment.api_port}/api/v1", trust_env=False, timeout=30)


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _output(account: Account, *argv: str) -> str:
    program = account.program(*argv)
    return subprocess.run(program, cwd=account.home, capture_output=True, text=True, check=True).stdout
