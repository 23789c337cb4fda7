"""Every phase that a run can be in when a new version is deployed, played on the real servers.

Each function plays one and gives the history that Temporal then keeps; its name is the name of the recording. Windows
are small, so that the files are.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from sqlalchemy import text
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory, WorkflowUpdateFailedError

from api.temporal_gateway import TemporalGateway
from db import configuration, decisions
from models.actor import LOCAL
from models.run_views import LimitsPatch
from temporal_client import connect
from tests.replay.scene import Scene
from tests.support.model_script import Rule
from tests.support.waiting import until
from workflows import contract

Phase = Callable[[Scene], Awaitable[WorkflowHistory]]

PHASES: dict[str, Phase] = {}

HANGING = Rule("hang", text="number 25")
"""The third batch's call doesn't end."""


_FIRST_SAVE_FAILS = (
    "CREATE SEQUENCE saves",
    """
    CREATE FUNCTION fail_the_first_save() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('saves') = 1 THEN RAISE EXCEPTION 'not now'; END IF;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER not_at_once BEFORE INSERT ON task_proposals FOR EACH ROW EXECUTE FUNCTION fail_the_first_save()",
)


def _phase(play: Phase) -> Phase:
    PHASES[play.__name__] = play
    return play


async def _hanging_run(scene: Scene) -> UUID:
    """A run of three batches: two are done, the third is under way."""
    run_id = await scene.run(3, HANGING)
    await until(lambda: scene.operator.run(run_id), lambda run: run.batches_completed == 2)
    return run_id


async def _held_run(scene: Scene) -> UUID:
    """A run of six batches that somebody paused after the first ones, with nothing under way any more."""
    run_id = await scene.run(6, latency=0.3)
    await until(lambda: scene.operator.run(run_id), lambda run: run.batches_completed >= 1)
    await scene.operator.commands.pause(run_id)
    await until(lambda: scene.operator.run(run_id), lambda run: run.stage == "held")
    return run_id


async def _completed_run(scene: Scene, batches: int = 1, *rules: Rule) -> UUID:
    run_id = await scene.run(batches, *rules)
    await scene.operator.until(run_id, "completed")
    await scene.quiet(run_id, executions=2)
    return run_id


async def _decide(scene: Scene, run_id: UUID) -> None:
    for proposal in await scene.operator.proposals(run_id):
        await decisions.approve(scene.operator.database, proposal.id, actor=LOCAL)


async def _ended(scene: Scene, run_id: UUID, status: WorkflowExecutionStatus) -> None:
    handle = await scene.workflow(run_id)
    await until(handle.describe, lambda seen: seen.status is status)


async def _event(scene: Scene, run_id: UUID, name: str, times: int = 1) -> None:
    await until(
        lambda: scene.operator.events(run_id), lambda events: [event.event for event in events].count(name) >= times
    )


@_phase
async def running(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _hanging_run(scene)
        return (await scene.quiet(run_id, in_flight=1))[-1]


@_phase
async def draining(scene: Scene) -> WorkflowHistory:
    """Paused, while a call is under way."""
    async with scene.worker():
        run_id = await _hanging_run(scene)
        await scene.operator.commands.pause(run_id)
        return (await scene.quiet(run_id, in_flight=1))[-1]


@_phase
async def paused(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _held_run(scene)
        return (await scene.quiet(run_id))[-1]


@_phase
async def resumed(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _held_run(scene)
        await scene.operator.commands.resume(run_id)
        await scene.operator.until(run_id, "completed")
        return (await scene.quiet(run_id, executions=2))[0]


@_phase
async def limits_changed(scene: Scene) -> WorkflowHistory:
    """By signal and by update, one of which is refused."""
    async with scene.worker():
        run_id = await _hanging_run(scene)
        handle = await scene.workflow(run_id)
        await handle.signal("set_limits", contract.LimitsChange(concurrency=3))
        await handle.execute_update("change_limits", contract.LimitsChange(budget_usd="5.00"))
        await scene.operator.commands.pause(run_id)
        await handle.execute_update("change_limits", contract.LimitsChange(concurrency=4))
        await _event(scene, run_id, "limits_changed", times=3)
        return (await scene.quiet(run_id, in_flight=1))[-1]


@_phase
async def command_refused(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _hanging_run(scene)
        await (await scene.workflow(run_id)).signal("resume")
        await _event(scene, run_id, "command_refused")
        return (await scene.quiet(run_id, in_flight=1))[-1]


@_phase
async def batch_split(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _completed_run(scene, 2, Rule("context_too_long", text="number 15", times=1))
        return (await scene.quiet(run_id, executions=2))[0]


@_phase
async def batch_failed(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _completed_run(scene, 2, Rule("invalid_json", text="number 15"))
        return (await scene.quiet(run_id, executions=2))[0]


@_phase
async def saved_apart(scene: Scene) -> WorkflowHistory:
    """An answer that couldn't be saved where it came, and was by the step that saves alone."""
    async with scene.operator.database.transaction() as session:
        for statement in _FIRST_SAVE_FAILS:
            await session.execute(text(statement))
    async with scene.worker():
        # One batch: two that are saved together are tried each alone after that, and then nothing fails.
        run_id = await _completed_run(scene, 1)
        return (await scene.quiet(run_id, executions=2))[0]


@_phase
async def provider_unavailable(scene: Scene) -> WorkflowHistory:
    """Paused by itself, waiting for the next probe."""
    async with scene.worker(provider_silence_seconds=1.0, provider_probe_seconds=1.0):
        run_id = await _run_without_provider(scene)
        await _event(scene, run_id, "provider_probed", times=2)
        return (await scene.quiet(run_id))[-1]


@_phase
async def provider_back(scene: Scene) -> WorkflowHistory:
    async with scene.worker(provider_silence_seconds=1.0, provider_probe_seconds=1.0):
        run_id = await _run_without_provider(scene)
        await _event(scene, run_id, "provider_probed")
        scene.model.script()
        await scene.operator.until(run_id, "completed")
        return (await scene.quiet(run_id, executions=2))[0]


async def _run_without_provider(scene: Scene) -> UUID:
    run_id = await scene.run(4, Rule("unauthorized", calls=tuple(range(3, 1000))))
    await until(lambda: scene.operator.run(run_id), lambda run: run.paused_reason == "provider_unavailable")
    return run_id


@_phase
async def budget_spent(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await scene.run(2, budget_usd="0.000001")
        await until(lambda: scene.operator.run(run_id), lambda run: run.paused_reason == "budget")
        return (await scene.quiet(run_id))[-1]


@_phase
async def budget_raised(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await scene.run(2, budget_usd="0.000001")
        await until(lambda: scene.operator.run(run_id), lambda run: run.paused_reason == "budget")
        await scene.operator.commands.set_limits(run_id, LimitsPatch.model_validate({"budget_usd": "5.00"}))
        await scene.operator.until(run_id, "completed")
        return (await scene.quiet(run_id, executions=2))[0]


@_phase
async def continued_as_new(scene: Scene) -> WorkflowHistory:
    """An execution that carried on with the batches of another, and was carried on itself."""
    async with scene.worker(history_limit=60):
        run_id = await scene.run(16)
        await scene.operator.until(run_id, "completed")
        return (await scene.quiet(run_id, executions=4))[1]


@_phase
async def grouped(scene: Scene) -> WorkflowHistory:
    """A run whose worker got several batches at a time; one had to be asked about again, and one failed."""
    async with scene.worker(group_from=16):
        run_id = await scene.run(
            16, Rule("server_error", text="number 25", times=1), Rule("bad_enum", text="number 45")
        )
        await scene.operator.until(run_id, "completed")
        return (await scene.quiet(run_id, executions=2))[0]


@_phase
async def cancelled(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _hanging_run(scene)
        await scene.operator.commands.cancel(run_id)
        await _ended(scene, run_id, WorkflowExecutionStatus.CANCELED)
        return (await scene.quiet(run_id))[-1]


@_phase
async def cancelled_by_temporal(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _hanging_run(scene)
        await (await scene.workflow(run_id)).cancel()
        await _ended(scene, run_id, WorkflowExecutionStatus.CANCELED)
        return (await scene.quiet(run_id))[-1]


@_phase
async def failed(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _failed_run(scene)
        return (await scene.quiet(run_id))[-1]


@_phase
async def retried_after_failure(scene: Scene) -> WorkflowHistory:
    """A new execution that a retry opened."""
    async with scene.worker():
        run_id = await _failed_run(scene)
        scene.model.script()
        await scene.operator.commands.retry(run_id)
        await scene.operator.until(run_id, "completed")
        return (await scene.quiet(run_id, executions=2))[0]


async def _failed_run(scene: Scene) -> UUID:
    run_id = await scene.run(2, Rule("unauthorized"))
    await scene.operator.until(run_id, "failed")
    await _ended(scene, run_id, WorkflowExecutionStatus.FAILED)
    return run_id


@_phase
async def reopened_after_terminate(scene: Scene) -> WorkflowHistory:
    """The command that came after somebody terminated the workflow opened it again."""
    async with scene.worker():
        run_id = await _hanging_run(scene)
        await (await scene.workflow(run_id)).terminate()
        scene.model.script()
        await scene.operator.commands.pause(run_id)
        await until(lambda: scene.operator.run(run_id), lambda run: run.stage == "held")
        return (await scene.quiet(run_id))[-1]


@_phase
async def review(scene: Scene) -> WorkflowHistory:
    """Waiting for a person, after a close that came too early."""
    async with scene.worker():
        run_id = await _completed_run(scene)
        handle = await scene.workflow(run_id)
        await handle.signal("close")
        await handle.signal("review_changed")
        await _event(scene, run_id, "command_refused")
        return (await scene.quiet(run_id, executions=2))[-1]


@_phase
async def review_continued_as_new(scene: Scene) -> WorkflowHistory:
    async with scene.worker(history_limit=50):
        run_id = await _completed_run(scene)
        handle = await scene.workflow(run_id)
        while len(chain := await scene.quiet(run_id, executions=2)) == 2:
            await handle.signal("review_changed")
        return chain[1]


@_phase
async def cancel_refused(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _completed_run(scene)
        await (await scene.workflow(run_id)).cancel()
        await _event(scene, run_id, "command_refused")
        return (await scene.quiet(run_id, executions=3))[1]


@_phase
async def retried(scene: Scene) -> WorkflowHistory:
    """The execution that waited for a person and then ran the failed batch again."""
    async with scene.worker():
        run_id = await _completed_run(scene, 2, Rule("invalid_json", text="number 15"))
        scene.model.script()
        await scene.operator.commands.retry(run_id)
        await until(lambda: scene.operator.run(run_id), lambda run: run.batches_failed == 0)
        await scene.operator.until(run_id, "completed")
        return (await scene.quiet(run_id, executions=3))[1]


@_phase
async def closed_by_signal(scene: Scene) -> WorkflowHistory:
    async with scene.worker():
        run_id = await _completed_run(scene)
        await _decide(scene, run_id)
        await (await scene.workflow(run_id)).signal("close")
        await _ended(scene, run_id, WorkflowExecutionStatus.COMPLETED)
        return (await scene.quiet(run_id, executions=2))[-1]


@_phase
async def closed_by_update(scene: Scene) -> WorkflowHistory:
    """The second time: the first was refused, because nothing was decided yet."""
    async with scene.worker():
        run_id = await _completed_run(scene)
        handle = await scene.workflow(run_id)
        with suppress(WorkflowUpdateFailedError):
            await handle.execute_update("close_run")
        await _event(scene, run_id, "command_refused")
        await _decide(scene, run_id)
        await handle.execute_update("close_run")
        await _ended(scene, run_id, WorkflowExecutionStatus.COMPLETED)
        return (await scene.quiet(run_id, executions=2))[-1]


@_phase
async def provider_trial(scene: Scene) -> WorkflowHistory:
    assignment = await scene.operator.assignment(scene.model.base_url)
    async with scene.operator.database.transaction() as session:
        current = await configuration.load(session, assignment, None)
    handle = (await connect(scene.settings)).get_workflow_handle(contract.trial_id(current.provider.id))
    async with scene.worker():
        wish = contract.ProviderTrial(provider_id=current.provider.id)
        await TemporalGateway(scene.settings).try_provider(wish, seconds=60)
        return await handle.fetch_history()
