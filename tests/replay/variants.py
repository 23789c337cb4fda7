"""Other code for the same workflow type, as a later version might have it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows import contract, steps
    from workflows.analysis_run import AnalysisRun

BEFORE_THE_STEPS = "read-the-state-before-the-steps"
BEFORE_MOVING_ON = "read-the-state-before-moving-on"


@workflow.defn(name=contract.WORKFLOW_TYPE)
class Moved(AnalysisRun):
    """The filter stands before the fetch, and no patch says so."""

    @workflow.init
    def __init__(self, start: contract.RunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: contract.RunInput) -> None:
        await super().run(start)

    async def _prepare(self) -> None:
        await self._step(steps.prefilter_messages(self._run))
        await super()._prepare()


@workflow.defn(name=contract.WORKFLOW_TYPE)
class Patched(AnalysisRun):
    """Two new steps, each behind a patch: one that a run under way has passed, one that is still to come."""

    @workflow.init
    def __init__(self, start: contract.RunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: contract.RunInput) -> None:
        await super().run(start)

    async def _prepare(self) -> None:
        if workflow.patched(BEFORE_THE_STEPS):
            self._take(await steps.read_state(self._run))
        await super()._prepare()

    async def _continue_as_new(self) -> None:
        if workflow.patched(BEFORE_MOVING_ON):
            self._take(await steps.read_state(self._run))
        await super()._continue_as_new()
