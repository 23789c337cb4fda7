"""A run waits for its reviewer for as long as it takes. Temporal's clock is moved on; nobody sleeps."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

from db import audit, decisions
from db.engine import Database
from devstack.temporal import binary
from models.actor import LOCAL
from settings import Settings
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator, working
from workflows.contract import SEARCH_ATTRIBUTES, RunState

LONG = timedelta(days=60)
_KEYS = {"Keyword": SearchAttributeKey.for_keyword, "Int": SearchAttributeKey.for_int}


@pytest.fixture
async def clock() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server whose clock can be moved on, workflow by workflow."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(binary()),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        dev_server_startup_timeout=timedelta(seconds=60),
        search_attributes=[_KEYS[kind](name) for name, kind in SEARCH_ATTRIBUTES.items()],
    )
    async with environment:
        yield environment


@pytest.fixture
def settings(settings: Settings, clock: WorkflowEnvironment) -> Settings:
    return settings.model_copy(update={"temporal_address": clock.client.service_client.config.target_host})


async def test_a_run_that_waits_sixty_days_for_its_review_has_a_short_history_and_is_then_closed(
    clock: WorkflowEnvironment, database: Database, settings: Settings, operator: Operator, model: ModelServer
) -> None:
    await operator.messages(30)
    async with working(settings):
        run_id = await operator.started_run(await operator.assignment(model.base_url))
        await operator.until(run_id, "completed")
        handle = await operator.workflow(run_id)
        await until(handle.describe, lambda seen: seen.history_length < 20)
        began = await clock.get_current_time(handle)
        await clock.fast_forward(handle, LONG)
        assert await clock.get_current_time(handle) - began >= LONG
        description = await handle.describe()
        assert (description.status, description.history_length < 20) == (WorkflowExecutionStatus.RUNNING, True)
        for proposal in await operator.proposals(run_id):
            await decisions.approve(database, proposal.id, actor=LOCAL)
        closed = await handle.execute_update("close_run", result_type=RunState)
        assert closed.status == "closed"
        await handle.result()
    assert (await operator.check_books(run_id)).status == "closed"
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_run_that_nobody_has_to_decide_on_closes_by_itself_after_its_time(
    clock: WorkflowEnvironment, database: Database, settings: Settings, operator: Operator, model: ModelServer
) -> None:
    week = timedelta(days=7)
    await operator.messages(10)
    async with working(settings):
        assignment = await operator.assignment(model.base_url)
        run_id = await operator.started_run(assignment, auto_close_after_seconds=int(week.total_seconds()))
        await operator.until(run_id, "completed")
        handle = await operator.workflow(run_id)
        [proposal] = await operator.proposals(run_id)
        for decide, timers in ((decisions.approve, 1), (decisions.reopen, 0), (decisions.approve, 1)):
            await decide(database, proposal.id, actor=LOCAL)
            await handle.signal("review_changed")
            await until(partial(_timers, handle), timers.__eq__)
        await clock.fast_forward(handle, week - timedelta(days=1))
        assert (await operator.run(run_id)).status == "reviewed"
        await clock.fast_forward(handle, timedelta(days=2))
        await operator.until(run_id, "closed")
        await handle.result()
    run = await operator.check_books(run_id)
    assert run.accuracy_metrics is not None
    assert run.accuracy_metrics["proposals_approved"] == 1
    async with database.transaction() as session:
        [entry] = await audit.listed(session, audit.conditions(entity_id=run_id, action="close"), limit=10)
    assert entry.actor_kind == "system"


async def _timers(handle: WorkflowHandle[Any, Any]) -> int:
    """How many timers run."""
    history = await handle.fetch_history()
    seen = Counter(event.event_type for event in history.events)
    return seen[EventType.EVENT_TYPE_TIMER_STARTED] - seen[EventType.EVENT_TYPE_TIMER_CANCELED]
