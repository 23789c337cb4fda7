"""Trying a provider out."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workflows import contract


@workflow.defn(name=contract.TRIAL_TYPE)
class ProviderTrial:
    """One call of the provider, whose outcome is on the provider's row."""

    @workflow.run
    async def run(self, wish: contract.ProviderTrial) -> None:
        await workflow.execute_activity(
            "validate_provider",
            wish,
            task_queue=contract.MODEL_QUEUE,
            schedule_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=2),
            summary="Ask the provider about one harmless message",
        )
