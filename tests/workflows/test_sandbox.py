"""What a workflow's sandbox loads anew."""

from uuid import uuid4

from temporalio import workflow
from temporalio.worker import Worker

from settings import Settings
from temporal_client import connect

with workflow.unsafe.imports_passed_through():
    from workflows import contract


@workflow.defn
class WhichContract:
    @workflow.run
    async def run(self) -> int:
        return id(contract)


async def test_the_contract_is_the_worker_s_own_in_every_workflow(settings: Settings) -> None:
    client = await connect(settings)
    name = f"sandbox-{uuid4()}"
    async with Worker(client, task_queue=name, workflows=[WhichContract]):
        found = await client.execute_workflow(WhichContract.run, id=name, task_queue=name)
    assert found == id(contract)
