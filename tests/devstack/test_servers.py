"""PostgreSQL and Temporal alone, as the other tests use them."""

import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from devstack.errors import StackError
from devstack.servers import servers
from tests.devstack.running_stack import ROOT, family, none_alive, wait_for

PROGRAM = """
import sys, pathlib
from devstack.servers import blocking_servers
with blocking_servers(pathlib.Path(sys.argv[1])) as running:
    print(running.dsn, flush=True)
    sys.stdin.read()
"""


async def test_both_servers_answer_and_keep_what_they_were_told(tmp_path: Path) -> None:
    async with servers(tmp_path) as running:
        connection = await asyncpg.connect(running.dsn)
        await connection.execute("CREATE TABLE kept (n int)")
        await connection.close()
    async with servers(tmp_path) as running:
        connection = await asyncpg.connect(running.dsn)
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0
        await connection.close()


async def test_the_search_attributes_of_a_run_are_registered(tmp_path: Path) -> None:
    async with servers(tmp_path) as running:
        client = await Client.connect(running.temporal_address)
        reply = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))

    keyword, number = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, IndexedValueType.INDEXED_VALUE_TYPE_INT
    assert dict(reply.custom_attributes) == {
        "RunStatus": keyword,
        "RunStage": keyword,
        "ProjectName": keyword,
        "TriggerType": keyword,
        "BatchesFailed": number,
        "ProposalsPending": number,
    }


async def test_one_folder_has_one_pair_of_servers(tmp_path: Path) -> None:
    async with servers(tmp_path):
        with pytest.raises(StackError, match="another stack"):
            async with servers(tmp_path):
                pass


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_the_servers_end_with_the_process_that_started_them(tmp_path: Path, end: signal.Signals) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path / "data")]
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(b"postgresql://")
        started = family(process.pid)
        process.send_signal(end)

    assert len(started) > 8
    wait_for(lambda: none_alive(started))
