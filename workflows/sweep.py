"""The sweep: rows and workflows that disagree are found, and mended where that is safe."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workflows import contract


@workflow.defn(name=contract.SWEEP_TYPE)
class Sweep:
    """One sweep, started by a schedule."""

    @workflow.run
    async def run(self, sweep: contract.SweepInput) -> contract.SweepReport:
        report: contract.SweepReport = await workflow.execute_activity(
            "sweep",
            sweep,
            result_type=contract.SweepReport,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=3),
            summary="Compare rows and workflows",
        )
        return report
