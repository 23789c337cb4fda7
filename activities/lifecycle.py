"""The activities that change what a run is: begin, obey, finish."""

from datetime import datetime, timedelta

from pydantic import ValidationError
from temporalio import activity

from activities.attempts import step
from activities.resources import Resources
from analysis.prompts import DEFAULT_SYSTEM_PROMPT
from db import answers, configuration, lifecycle, runs
from db.lifecycle import RunError
from errors import BadRequest, Refusal, Unprocessable
from logs import logger
from models.run import AnalysisRun
from models.run_views import LimitsPatch
from settings import Settings
from workflows import contract

_log = logger("gleaner.worker")


def state_of(run: AnalysisRun, settings: Settings) -> contract.RunState:
    """The row as the workflow sees it."""
    project = run.config_snapshot.get("project") or {}
    error = run.error_log
    return contract.RunState(
        phase=phase_of(run),
        status=run.status,
        stage=run.stage,
        paused_reason=run.paused_reason,
        concurrency=runs.concurrency(run),
        project_name=project.get("name"),
        trigger_type=run.trigger_type,
        batches_created=run.batches_created,
        batches_failed=run.batches_failed,
        proposals_pending=run.proposals_pending,
        history_limit=settings.history_limit,
        group_from=settings.group_from or None,
        rounds_up=True,
        probe_seconds=settings.provider_probe_seconds,
        closes_at=_closes_at(run),
        error=error and contract.ErrorInfo(code=error["code"], message=_short(error), hint=error["hint"]),
    )


def _closes_at(run: AnalysisRun) -> datetime | None:
    """Its last event is the last decision, or its completion where there was none to take. A run with failed batches
    waits for a person."""
    after = run.options.get("auto_close_after_seconds")
    if after is None or phase_of(run) != "review" or run.proposals_pending or run.batches_failed:
        return None
    return run.last_event_at + timedelta(seconds=after)


def phase_of(run: AnalysisRun) -> contract.Phase:
    match run.status:
        case "pending" | "running" | "paused":
            return "analysis"
        case "completed" | "reviewed":
            return "review"
        case "closed" | "failed" | "cancelled":
            return "over"


def _short(error: dict[str, str]) -> str:
    """A message for the history: what the provider said stays in the row."""
    return error["hint"] or error["code"]


class LifecycleActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database
        self._settings = resources.settings

    def _state(self, run: AnalysisRun) -> contract.RunState:
        return state_of(run, self._settings)

    @activity.defn(name="begin_run")
    @step
    async def begin_run(self, start: contract.BeginRun) -> contract.RunState:
        """Begin a pending run, begin the failed batches again, or just say where the run stands."""
        async with runs.locked(self._database, start.run_id) as held:
            if start.retry:
                if not (_again() and held.run.status == "running"):
                    await _retry(held)
            elif held.run.status == "pending":
                _log.info("Starting analysis run execution", run_id=str(start.run_id))
                _log.info("Starting run", run_id=str(start.run_id))
                await _begin(held, self._settings.prompt_version)
            return self._state(held.run)

    @activity.defn(name="read_state")
    @step
    async def read_state(self, ref: contract.RunRef) -> contract.RunState:
        async with self._database.transaction() as session:
            return self._state(await runs.get(session, ref.run_id))

    @activity.defn(name="apply_command")
    @step
    async def apply_command(self, command: contract.RunCommand) -> contract.CommandOutcome:
        """Do what a signal or update asks for, or leave an event that says why not."""
        async with runs.locked(self._database, command.run_id) as held:
            if _again() and _is_done(held.run, command):
                return contract.CommandOutcome(accepted=True, state=self._state(held.run))
            try:
                # A refusal may come from the flush, so what it has done so far is undone on its own.
                async with held.session.begin_nested():
                    await _apply(held, command)
            except Refusal as refusal:
                await held.session.refresh(held.run)
                await lifecycle.refuse(held, _name_of(command), refusal)
                return contract.CommandOutcome(
                    accepted=False, code=refusal.code, detail=refusal.detail, state=self._state(held.run)
                )
            outcome = contract.CommandOutcome(accepted=True, state=self._state(held.run))
        if command.name == "cancel":
            # Cancelling is Temporal's own: the workflow ends Canceled, whichever way the wish came.
            await activity.client().get_workflow_handle(contract.workflow_id(command.run_id)).cancel()
        return outcome

    @activity.defn(name="note_drained")
    @step
    async def note_drained(self, ref: contract.RunRef) -> contract.RunState:
        async with runs.locked(self._database, ref.run_id) as held:
            await lifecycle.drained(held)
            return self._state(held.run)

    @activity.defn(name="finish_run")
    @step
    async def finish_run(self, finish: contract.FinishRun) -> contract.RunState:
        """End the analysis. A cancel that the state forbids changes nothing and leaves `command_refused`."""
        async with runs.locked(self._database, finish.run_id) as held:
            match finish.outcome:
                case "cancelled":
                    await _cancel(held)
                case "failed":
                    await _fail(held, finish.error)
                case "ended":
                    await _end(held)
            return self._state(held.run)


def _again() -> bool:
    """Whether an attempt before this one may have done its work, and died before it said so."""
    return activity.info().attempt > 1


def _is_done(run: AnalysisRun, command: contract.RunCommand) -> bool:
    """Whether the row is as the command leaves it."""
    match command.name:
        case "pause":
            return run.status == "paused" and run.paused_reason == command.reason
        case "resume" | "retry_failed_batches":
            return run.status == "running"
        case "close":
            return run.status == "closed"
        case "set_limits":
            asked = command.model_dump(include={"budget_usd", "concurrency"}, exclude_none=True)
            return asked.items() <= run.options.items()
        case "cancel":
            return False  # the workflow does it


async def _begin(held: runs.LockedRun, prompt_version: str) -> None:
    run = held.run
    try:
        current = await configuration.load(held.session, run.agent_assignment_id, run.project_config_id)
        current.check_active()
    except BadRequest as refusal:
        await lifecycle.begin(held, run.config_snapshot)
        await lifecycle.fail(held, RunError(refusal.code, refusal.detail, "Switch it on again, then retry the run."))
        return
    run.cost_estimate = current.nothing_spent()
    snapshot = current.snapshot(default_prompt=DEFAULT_SYSTEM_PROMPT, prompt_version=prompt_version)
    await lifecycle.begin(held, snapshot)


async def _retry(held: runs.LockedRun) -> None:
    try:
        async with held.session.begin_nested():
            await lifecycle.retry(held)
    except Refusal as refusal:
        await held.session.refresh(held.run)
        await lifecycle.refuse(held, "retry", refusal)


async def _apply(held: runs.LockedRun, command: contract.RunCommand) -> None:
    match command.name:
        case "pause":
            error = None if command.error is None else await _explained(held, command.error)
            await lifecycle.pause(held, command.reason, error, draining=command.in_flight > 0)
        case "resume":
            await lifecycle.resume(held)
        case "cancel":
            lifecycle.check_cancel(held)
        case "retry_failed_batches":
            await lifecycle.retry(held)
        case "set_limits":
            limits = _limits(command)
            await lifecycle.set_limits(held, limits.budget_usd, limits.concurrency)
        case "close":
            await lifecycle.close(held)


def _limits(command: contract.RunCommand) -> LimitsPatch:
    """What a signal asks for, which may be anything; 422 `validation_error` where the API would say so too."""
    try:
        return LimitsPatch.model_validate(command.model_dump(include={"budget_usd", "concurrency"}))
    except ValidationError as invalid:
        wrong = "; ".join(f"{error['loc'][0]}: {error['msg']}" for error in invalid.errors())
        raise Unprocessable("validation_error", wrong) from None


async def _explained(held: runs.LockedRun, error: contract.ErrorInfo) -> RunError:
    """The error with what the provider said. That stays out of the history, so it is read from the row of the call."""
    message = error.message or await answers.last_failure(held.session, held.run.id) or error.code
    return RunError(error.code, message, error.hint or "Read the worker's log, then retry the run.")


def _name_of(command: contract.RunCommand) -> str:
    """The command by the name that the API gives it."""
    return "retry" if command.name == "retry_failed_batches" else command.name


async def _cancel(held: runs.LockedRun) -> None:
    try:
        await lifecycle.cancel(held)
    except Refusal as refusal:
        if held.run.status != "cancelled":
            await lifecycle.refuse(held, "cancel", refusal)


async def _fail(held: runs.LockedRun, error: contract.ErrorInfo | None) -> None:
    if held.run.status not in ("running", "paused"):
        return
    why = error or contract.ErrorInfo(code="unexpected", message="The run failed.")
    await lifecycle.fail(held, await _explained(held, why))


async def _end(held: runs.LockedRun) -> None:
    """All batches are settled: failed where every one of them failed, else completed."""
    run = held.run
    if run.status != "running":
        return
    if run.batches_created and run.batches_failed == run.batches_created:
        message = await lifecycle.last_batch_error(held) or "no reason was recorded"
        hint = "Mend the cause, then retry the run."
        await lifecycle.fail(held, RunError("all_batches_failed", f"Every batch failed; the last one: {message}", hint))
        return
    await lifecycle.complete(held)
    _log.info("Successfully completed", run_id=str(run.id))
