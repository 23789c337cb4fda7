"""The schedule on which sweeps run."""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from settings import Settings
from workflows import contract


async def ensure_schedule(client: Client, settings: Settings) -> None:
    """Make the schedule where it isn't there; one that is there stays as an operator may have changed it."""
    if not settings.sweep_seconds:
        return
    action = ScheduleActionStartWorkflow(
        contract.SWEEP_TYPE,
        contract.SweepInput(),
        id=contract.SWEEP_SCHEDULE,
        task_queue=contract.QUEUE,
        execution_timeout=timedelta(minutes=30),
        static_summary="Compare rows and workflows",
    )
    schedule = Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=settings.sweep_seconds))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
    )
    try:
        await client.create_schedule(contract.SWEEP_SCHEDULE, schedule)
    except ScheduleAlreadyRunningError:
        return
