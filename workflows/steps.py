"""The activities as the workflow calls them: by name, typed by the contract, each with its timeouts and its summary."""

from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from workflows import contract

Result = TypeVar("Result")

_QUICK = timedelta(seconds=60)
_LONG = timedelta(hours=12)
_HEARTBEAT = timedelta(seconds=10)
# A call that died with its worker is what a run waits for, so it is missed sooner than a step on the database.
_HEARTBEAT_OF_A_CALL = timedelta(seconds=4)

# An outage of the database is waited out; what can't be mended by waiting comes as a non-retryable error.
_UNTIL_DONE = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=10)
)
_MODEL_CALL = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=30)
)


async def _quick(name: str, argument: BaseModel, result: type[Result], summary: str) -> Result:
    """One transaction. Cancelling waits for its end, so that nothing is written behind the workflow's back."""
    outcome: Result = await workflow.execute_activity(
        name,
        argument,
        result_type=result,
        start_to_close_timeout=_QUICK,
        retry_policy=_UNTIL_DONE,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )
    return outcome


async def _long(name: str, argument: BaseModel, result: type[Result], summary: str) -> Result:
    """Many transactions, resumed where a dead worker stopped."""
    outcome: Result = await workflow.execute_activity(
        name,
        argument,
        result_type=result,
        start_to_close_timeout=_LONG,
        heartbeat_timeout=_HEARTBEAT,
        retry_policy=_UNTIL_DONE,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )
    return outcome


async def _call(name: str, argument: BaseModel, result: type[Result], summary: str) -> Result:
    """Calls of a model, on the workers that make them."""
    outcome: Result = await workflow.execute_activity(
        name,
        argument,
        result_type=result,
        task_queue=contract.MODEL_QUEUE,
        start_to_close_timeout=_LONG,
        heartbeat_timeout=_HEARTBEAT_OF_A_CALL,
        retry_policy=_MODEL_CALL,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )
    return outcome


async def begin_run(start: contract.BeginRun) -> contract.RunState:
    summary = "Begin again with the failed batches" if start.retry else "Begin where the run stands"
    return await _quick("begin_run", start, contract.RunState, summary)


async def read_state(run: contract.RunRef) -> contract.RunState:
    return await _quick("read_state", run, contract.RunState, "Read where the review stands")


async def fetch_messages(run: contract.RunRef) -> int:
    return await _long("fetch_messages", run, int, "Pin the messages of the window")


async def prefilter_messages(run: contract.RunRef) -> int:
    return await _long("prefilter_messages", run, int, "Leave out what can't hold a task")


async def create_batches(run: contract.RunRef) -> contract.Batches:
    return await _long("create_batches", run, contract.Batches, "Plan the batches")


async def extract_proposals(batch: contract.BatchRef, total: int) -> contract.Extracted:
    return await _call("extract_proposals", batch, contract.Extracted, f"Batch {batch.batch_no}/{total}: ask the model")


async def extract_group(group: contract.BatchGroup, total: int) -> contract.GroupExtracted:
    summary = f"Batches {group.batch_nos[0]} to {group.batch_nos[-1]} of {total}: ask the model"
    return await _call("extract_group", group, contract.GroupExtracted, summary)


async def split_batch(batch: contract.BatchRef, total: int) -> contract.BatchSplit:
    summary = f"Batch {batch.batch_no}/{total}: too long for the model, split it"
    return await _quick("split_batch", batch, contract.BatchSplit, summary)


async def probe_provider(run: contract.RunRef) -> contract.Probed:
    """One attempt, whose answer is kept like any other: the batch that it is for won't be asked again."""
    return await _call("probe_provider", run, contract.Probed, "Ask the provider whether it is back")


async def save_proposals(batch: contract.BatchRef, total: int) -> contract.BatchSettled:
    summary = f"Batch {batch.batch_no}/{total}: save the proposals"
    return await _quick("save_proposals", batch, contract.BatchSettled, summary)


async def fail_batch(failure: contract.BatchFailure, total: int) -> contract.BatchSettled:
    summary = f"Batch {failure.batch_no}/{total}: record the failure"
    return await _quick("fail_batch", failure, contract.BatchSettled, summary)


async def apply_command(command: contract.RunCommand) -> contract.CommandOutcome:
    return await _quick("apply_command", command, contract.CommandOutcome, f"Command: {command.name}")


async def note_drained(run: contract.RunRef) -> contract.RunState:
    return await _quick("note_drained", run, contract.RunState, "Paused: nothing is under way any more")


async def finish_run(finish: contract.FinishRun) -> contract.RunState:
    return await _quick("finish_run", finish, contract.RunState, f"Finish the run: {finish.outcome}")
