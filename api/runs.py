"""Analysis runs."""

import asyncio
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Response, status

from analysis.costs import cost_of
from analysis.prefilter import rules_for
from analysis.prompts import DEFAULT_SYSTEM_PROMPT
from analysis.tokenizers import counter_for
from api import previews
from api.auth import Reader, Runner
from api.dependencies import Api, NoBody, Resources
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from db import batches, budgets, configuration, estimates, heartbeats, run_views, runs, window_previews
from db.configuration import Configuration, own_price
from models.base import AwareTime, now
from models.run import AnalysisRun
from models.run_views import (
    BatchView,
    FilteredSample,
    LimitsPatch,
    RunCreate,
    RunPreview,
    RunProgress,
    RunStarted,
    RunView,
)
from models.values import PausedReason, RunStatus, TriggerType
from workflows.contract import MODEL_QUEUE, QUEUE

router = APIRouter(prefix="/analysis/runs", tags=["runs"], route_class=IdempotentRoute)


async def _configured(resources: Resources, body: RunCreate) -> Configuration:
    """The run's configuration; 400 where a part is unknown or switched off, 422 `price_unknown`."""
    async with resources.database.transaction() as session:
        found = await configuration.load(session, body.agent_assignment_id, body.project_config_id)
    found.check_active()
    if body.options.budget_usd is not None:
        found.check_price()
    return found


def _new_run(resources: Resources, body: RunCreate, found: Configuration, actor: str) -> AnalysisRun:
    return AnalysisRun(
        trigger_type=body.trigger_type,
        triggered_by=actor,
        time_window_start=body.time_window_start,
        time_window_end=body.time_window_end,
        agent_assignment_id=body.agent_assignment_id,
        project_config_id=body.project_config_id,
        filters=body.filters.model_dump(mode="json"),
        options=body.options.model_dump(mode="json"),
        config_snapshot=found.snapshot(
            default_prompt=DEFAULT_SYSTEM_PROMPT, prompt_version=resources.settings.prompt_version
        ),
        cost_estimate=found.nothing_spent(),
    )


def _view(resources: Resources, run: AnalysisRun) -> RunView:
    return _linked(resources, RunView.model_validate(run))


def _linked(resources: Resources, view: RunView) -> RunView:
    settings = resources.settings
    return view.linked(ui_url=settings.temporal_ui_url, namespace=settings.temporal_namespace)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_run(body: RunCreate, actor: Runner, resources: Api) -> RunView:
    """Create a run over a time window. It is `pending` until it is started.

    400 `unknown_agent_assignment`, `unknown_project`, `assignment_inactive`; 409 `run_overlap` with
    `conflicting_run_id`; 422 for a bad window, option or filter and for a budget on a model without a price.
    """
    found = await _configured(resources, body)
    return _view(resources, await runs.create(resources.database, _new_run(resources, body, found, actor.name), actor))


@router.post("/preview")
async def preview_run(body: RunCreate, actor: Runner, resources: Api) -> RunPreview:
    """What such a run would see and cost. Asks no model and stores nothing; refuses what a create refuses."""
    found = await _configured(resources, body)
    run = _new_run(resources, body, found, actor.name)
    project = found.project
    rules = rules_for(body.options.prefilter, project.keywords if project else [])
    async with resources.database.transaction() as session:
        other = await runs.find_overlap(session, run)
        if other is not None:
            raise await runs.overlap(session, run)
        seen = await window_previews.preview(session, run, rules)
        plan = await previews.plan(session, run, rules, seen)
        past = await estimates.past_usage(session, found.provider.type, found.agent.model_name)
    count = await counter_for(found.provider.type, found.agent.model_name)
    # Counting is work for a processor, and other requests go on meanwhile.
    estimated = await asyncio.to_thread(previews.estimated, run, plan, past, count)
    cost = cost_of(
        found.provider.type,
        found.agent.model_name,
        input_tokens=estimated.input_tokens,
        output_tokens=estimated.output_tokens,
        own_price=own_price(found.provider),
    )
    return RunPreview(
        messages_in_window=seen.total,
        messages_after_prefilter=seen.kept,
        filtered_by_reason=seen.filtered_by_reason,
        filtered_samples={
            reason: [FilteredSample.model_validate(one, from_attributes=True) for one in some]
            for reason, some in seen.samples.items()
        },
        batches=plan.work.batches,
        estimated_input_tokens=estimated.input_tokens,
        estimated_cost_usd=cost,
    )


@router.get("")
async def list_runs(
    _: Reader,
    resources: Api,
    page: PageQuery,
    status: RunStatus | None = None,
    trigger_type: TriggerType | None = None,
    project_config_id: UUID | None = None,
    created_after: AwareTime | None = None,
    created_before: AwareTime | None = None,
) -> Page[RunView]:
    """Runs, the newest first."""
    wanted = run_views.conditions(
        status=status,
        trigger_type=trigger_type,
        project_config_id=project_config_id,
        created_after=created_after,
        created_before=created_before,
    )
    after = page.after(datetime, UUID)
    async with resources.database.connection() as connection:
        found, total = await run_views.listed(connection, wanted, after=after, limit=page.limit + 1)
    return page.of([_linked(resources, view) for view in found], total, key=lambda view: (view.created_at, view.id))


@router.get("/{run_id}")
async def get_run(run_id: UUID, _: Reader, resources: Api) -> RunView:
    """The run; 404 `run_not_found`."""
    async with resources.database.connection() as connection:
        return _linked(resources, await run_views.get(connection, run_id))


@router.post("/{run_id}/start")
async def start_run(run_id: UUID, actor: Runner, resources: Api, _: NoBody) -> RunStarted:
    """Open the run's workflow.

    404 `run_not_found`; 409 `run_not_pending`; 503 `temporal_unavailable` within five seconds, and then the run is
    still pending and can be started later.
    """
    run = await resources.commands.start(run_id, actor)
    return RunStarted(run_id=run.id)


@router.get("/{run_id}/progress")
async def get_progress(run_id: UUID, _: Reader, resources: Api) -> RunProgress:
    """Where the run stands: figures from its row, and from its workflow what only that knows."""
    async with resources.database.transaction() as session:
        run = await runs.get(session, run_id)
        reserved, unknown = await budgets.set_aside(session, run_id)
        seen = await heartbeats.queues_seen(session)
    report = None
    if run.status in ("running", "paused", "completed", "reviewed"):
        report = await resources.temporal.progress(run_id)
    settled = run.batches_completed + run.batches_failed
    polling = all(heartbeats.fresh(seen.get(queue)) for queue in (QUEUE, MODEL_QUEUE))
    return RunProgress(
        run_id=run.id,
        source="database" if report is None else "workflow",
        worker_seen_at=max(seen.values(), default=None),
        worker_polling=polling,
        waiting_for=_waiting_for(run, polling=polling),
        status=run.status,
        stage=run.stage,
        paused_reason=run.paused_reason,
        in_flight=[] if report is None else report.in_flight,
        current_batch=settled,
        total_batches=run.batches_created,
        batches_failed=run.batches_failed,
        progress_percent=run.progress_percent,
        messages_in_window=run.total_messages_in_window,
        messages_after_prefilter=run.messages_after_prefilter,
        proposals_total=run.proposals_total,
        tokens_used=run.llm_tokens_used,
        cost_usd=run.cost_estimate,
        budget_usd=run.options.get("budget_usd"),
        budget_reserved_usd=reserved,
        budget_unknown_usd=unknown,
        next_probe_at=None if report is None else report.next_probe_at,
        eta_seconds=_eta(run, settled),
    )


def _waiting_for(
    run: AnalysisRun, *, polling: bool
) -> Literal["worker", "resume", "budget", "provider", "review"] | None:
    if run.status == "paused":
        return _PAUSED_FOR[run.paused_reason or "requested"]
    if run.status == "completed":
        return "review"
    at_work = run.status == "running" or (run.status == "pending" and run.stage == "queued")
    return "worker" if at_work and not polling else None


_PAUSED_FOR: dict[PausedReason, Literal["resume", "budget", "provider"]] = {
    "requested": "resume",
    "budget": "budget",
    "provider_unavailable": "provider",
}


def _eta(run: AnalysisRun, settled: int) -> float | None:
    """Seconds until the last batch at the pace since the work began or went on; None where there is no pace yet."""
    if run.status != "running" or run.working_since is None or not settled:
        return None
    pace = (now() - run.working_since).total_seconds() / settled
    return round(pace * (run.batches_created - settled), 1)


@router.get("/{run_id}/batches")
async def list_batches(run_id: UUID, _: Reader, resources: Api, page: PageQuery) -> Page[BatchView]:
    """The run's batches by their numbers; 404 `run_not_found`."""
    after = page.after(int)
    async with resources.database.transaction() as session:
        await runs.get(session, run_id)
        found = await batches.listed(session, run_id, after[0] if after else 0, page.limit + 1)
        total = await batches.count(session, run_id)
    return page.of([BatchView.of(batch) for batch in found], total, key=lambda view: (view.batch_no,))


@router.post("/{run_id}/pause", status_code=status.HTTP_202_ACCEPTED)
async def pause_run(run_id: UUID, actor: Runner, resources: Api, _: NoBody) -> RunView:
    """Let what is under way finish and start nothing new. Replies once that shows on the run, or after five seconds
    with `pending_command`. 404 `run_not_found`; 409 `invalid_transition`; 503 `temporal_unavailable`."""
    return _view(resources, await resources.commands.pause(run_id, actor))


@router.post("/{run_id}/resume", status_code=status.HTTP_202_ACCEPTED)
async def resume_run(run_id: UUID, actor: Runner, resources: Api, _: NoBody) -> RunView:
    """Go on after a pause. Replies and refuses like a pause."""
    return _view(resources, await resources.commands.resume(run_id, actor))


@router.post("/{run_id}/cancel", status_code=status.HTTP_202_ACCEPTED)
async def cancel_run(run_id: UUID, actor: Runner, resources: Api, _: NoBody) -> RunView:
    """Give up what is under way and end the run; what was saved stays. Replies and refuses like a pause."""
    return _view(resources, await resources.commands.cancel(run_id, actor))


@router.post("/{run_id}/retry", status_code=status.HTTP_202_ACCEPTED)
async def retry_run(run_id: UUID, actor: Runner, resources: Api, _: NoBody) -> RunView:
    """Run the failed batches again. Replies and refuses like a pause, a completed run without failed batches, too; 409
    also `run_overlap` where another run took the window of a failed one."""
    return _view(resources, await resources.commands.retry(run_id, actor))


@router.patch("/{run_id}/limits")
async def change_limits(run_id: UUID, body: LimitsPatch, actor: Runner, resources: Api) -> RunView:
    """Change the budget or the concurrency of a run that isn't over; 404, 409 `invalid_transition`, 422."""
    return _view(resources, await resources.commands.set_limits(run_id, body, actor))


@router.post("/{run_id}/close")
@router.put("/{run_id}/close")
async def close_run(run_id: UUID, actor: Runner, resources: Api, response: Response, _: NoBody) -> RunView:
    """Close the run with its figures. Replies 200 with the closed run, 202 with `pending_command` where no worker was
    there to close it within five seconds. 404; 409 `proposals_pending` (with the number), `invalid_transition`."""
    run = await resources.commands.close(run_id, actor)
    if run.status != "closed":
        response.status_code = status.HTTP_202_ACCEPTED
    return _view(resources, run)
