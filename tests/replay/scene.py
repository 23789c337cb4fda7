"""Where a phase is played: the real servers, a worker, a model's stand-in, and what Temporal then keeps."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory

from db.engine import Database
from devstack.servers import Servers
from settings import Settings
from tests.support.databases import fresh_database, settings_for
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator, working

_TASK_UNDER_WAY = (EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
_ENDS_OF_AN_ACTIVITY = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
)


@dataclass(frozen=True)
class Scene:
    """An operator with a database of their own, and a model that answers as it is told."""

    operator: Operator
    model: ModelServer
    settings: Settings

    def worker(self, **changes: Any) -> AbstractAsyncContextManager[None]:
        """A worker while the block runs, with these settings changed; it doesn't wait long for what is under way."""
        return working(self.settings.model_copy(update={"worker_shutdown_seconds": 1.0, **changes}))

    async def run(self, batches: int, *rules: Rule, latency: float = 0.0, **options: Any) -> UUID:
        """A started run of so many batches, two at a time, whose model behaves by these rules."""
        self.model.script(*rules, latency=latency)
        await self.operator.messages(10 * batches)
        assignment = await self.operator.assignment(self.model.base_url)
        return await self.operator.started_run(assignment, **{"concurrency": 2, **options})

    async def workflow(self, run_id: UUID) -> "WorkflowHandle[Any, Any]":
        return await self.operator.workflow(run_id)

    async def quiet(self, run_id: UUID, *, executions: int = 1, in_flight: int = 0) -> list[WorkflowHistory]:
        """The histories of the last chain of executions, once there are at least so many and nothing moves in the
        last one but so many calls of the model."""

        def still(chain: list[WorkflowHistory]) -> bool:
            last = chain[-1]
            under_way = last.events[-1].event_type in _TASK_UNDER_WAY
            return len(chain) >= executions and not under_way and _open_activities(last) == in_flight

        return await until(lambda: self.operator.executions(run_id), still)


def _open_activities(history: WorkflowHistory) -> int:
    seen = Counter(event.event_type for event in history.events)
    return seen[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED] - sum(seen[end] for end in _ENDS_OF_AN_ACTIVITY)


@asynccontextmanager
async def scene(stack: Servers) -> AsyncIterator[Scene]:
    """A scene on these servers, with a fresh database."""
    async with fresh_database(stack.dsn) as dsn:
        settings = settings_for(stack, dsn)
        with ModelServer() as model:
            async with Database(dsn, connect_seconds=60.0) as database:
                operator = Operator(database, settings)
                yield Scene(operator, model, settings)
                await operator.end_workflows()
