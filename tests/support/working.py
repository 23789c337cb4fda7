"""A worker in the test's own process, and runs that it works on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from analysis.prompts import DEFAULT_SYSTEM_PROMPT, PROMPT_VERSION
from api.run_commands import RunCommands
from api.temporal_gateway import TemporalGateway
from db import batches, configuration, messages, outbox, runs
from db.engine import Database
from db.vault import Vault
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig
from models.conversation import IncomingMessage
from models.proposal import TaskProposal
from models.run import AnalysisBatch, AnalysisRun, RunEvent
from models.run_views import RunOptions
from models.values import RunStatus
from settings import Settings
from temporal_client import connect
from tests.support.waiting import until
from worker import LAST_SECONDS, run_worker
from workflows.contract import workflow_id

START = datetime(2026, 1, 5, tzinfo=UTC)
KEY = "sk-canary-key-0123456789"


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker while the block runs; it must end by itself when told to stop."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_worker(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, settings.worker_shutdown_seconds + LAST_SECONDS)


class Operator:
    """What a person does to runs, by the same commands as the API, and what is then to be seen."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.commands = RunCommands(database, TemporalGateway(settings))
        self._made: list[UUID] = []

    async def assignment(self, base_url: str, **provider: Any) -> UUID:
        """An assignment of an agent at the OpenAI-compatible server there, with a known price."""
        sealed = Vault.from_settings(self.settings).encrypt(KEY)
        priced = {"input_price_per_mtok": Decimal(1), "output_price_per_mtok": Decimal(2)}
        async with self.database.transaction() as session:
            made = LLMProvider(
                **{"name": "Stand-in", "type": "openai", "base_url": base_url, "api_key_encrypted": sealed}
                | {"request_timeout_seconds": 20.0}
                | priced
                | provider
            )
            session.add(made)
            await session.flush()
            agent = AgentConfig(name="Agent", provider_id=made.id, model_name="stand-in")
            task = TaskConfig(name="Find tasks")
            session.add_all([agent, task])
            await session.flush()
            assignment = AgentTaskAssignment(agent_id=agent.id, task_id=task.id)
            session.add(assignment)
        return assignment.id

    async def messages(self, count: int, *, text: str = "please fix part number", day: int = 0) -> None:
        """Messages a minute apart in one channel: `count / max_batch_size` batches."""
        made = [
            IncomingMessage(
                channel="dev",
                external_id=f"{day}-{number}",
                author=("ada", "ben", "eve")[number % 3],
                sent_at=START + timedelta(days=day, minutes=number),
                content=f"{text} {number}",
            )
            for number in range(count)
        ]
        async with self.database.transaction() as session:
            await messages.store(session, {"test": made}, source_type="api")

    async def pending_run(self, assignment: UUID, *, day: int = 0, project: UUID | None = None, **options: Any) -> UUID:
        """A run over the messages of the thirty days from `day` on, with batches of ten unless said otherwise."""
        chosen = RunOptions.model_validate({"max_batch_size": 10, **options})
        async with self.database.transaction() as session:
            current = await configuration.load(session, assignment, project)
        run = AnalysisRun(
            time_window_start=START + timedelta(days=day),
            time_window_end=START + timedelta(days=day + 30),
            agent_assignment_id=assignment,
            project_config_id=project,
            options=chosen.model_dump(mode="json"),
            config_snapshot=current.snapshot(default_prompt=DEFAULT_SYSTEM_PROMPT, prompt_version=PROMPT_VERSION),
            cost_estimate=Decimal(0),
        )
        self._made.append((await runs.create(self.database, run)).id)
        return self._made[-1]

    async def started_run(self, assignment: UUID, *, day: int = 0, **options: Any) -> UUID:
        run_id = await self.pending_run(assignment, day=day, **options)
        await self.commands.start(run_id)
        return run_id

    async def run(self, run_id: UUID) -> AnalysisRun:
        async with self.database.transaction() as session:
            return await runs.get(session, run_id)

    async def until(self, run_id: UUID, *wanted: RunStatus) -> AnalysisRun:
        return await until(lambda: self.run(run_id), lambda run: run.status in wanted)

    async def events(self, run_id: UUID) -> list[RunEvent]:
        async with self.database.transaction() as session:
            return await outbox.events_after(session, run_id, 0, 100_000)

    async def batches(self, run_id: UUID) -> list[AnalysisBatch]:
        async with self.database.transaction() as session:
            return await batches.listed(session, run_id, 0, 100_000)

    async def proposals(self, run_id: UUID) -> list[TaskProposal]:
        async with self.database.transaction() as session:
            query = select(TaskProposal).where(col(TaskProposal.run_id) == run_id)
            return list((await session.exec(query)).all())

    async def workflow(self, run_id: UUID) -> "WorkflowHandle[Any, Any]":
        return (await connect(self.settings)).get_workflow_handle(workflow_id(run_id))

    async def histories(self, run_id: UUID) -> list[str]:
        """All that Temporal keeps of each execution of the run, as JSON."""
        client = await connect(self.settings)
        kept = []
        async for execution in client.list_workflows(f"WorkflowId = '{workflow_id(run_id)}'"):
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            kept.append((await handle.fetch_history()).to_json())
        return kept

    async def executions(self, run_id: UUID) -> list[WorkflowHistory]:
        """The histories of the present execution of the run and of those that it continues, the first one first."""
        client, name = await connect(self.settings), workflow_id(run_id)
        present = await client.get_workflow_handle(name).fetch_history()
        execution = present.events[0].workflow_execution_started_event_attributes.first_execution_run_id
        chain = []
        while execution:
            chain.append(await client.get_workflow_handle(name, run_id=execution).fetch_history())
            continued = chain[-1].events[-1].workflow_execution_continued_as_new_event_attributes
            execution = continued.new_execution_run_id
        return chain

    async def end_workflows(self) -> None:
        """Leave no open workflow to the next test's worker, which has another database."""
        client = await connect(self.settings)
        for run_id in self._made:
            async for execution in client.list_workflows(
                f"WorkflowId = '{workflow_id(run_id)}' AND ExecutionStatus = 'Running'"
            ):
                try:
                    await client.get_workflow_handle(execution.id).terminate()
                except RPCError as error:  # the list is a moment old, and the workflow may have ended since
                    if error.status is not RPCStatusCode.NOT_FOUND:
                        raise

    async def check_books(self, run_id: UUID) -> AnalysisRun:
        """The counters of the run say what its rows say, and its events have no gap."""
        run = await self.run(run_id)
        listed, proposals, events = (
            await self.batches(run_id),
            await self.proposals(run_id),
            await self.events(run_id),
        )
        assert run.batches_created == sum(batch.status != "split" for batch in listed)
        assert run.batches_completed == sum(batch.status == "completed" for batch in listed)
        assert run.batches_failed == sum(batch.status == "failed" for batch in listed)
        counted = [proposal for proposal in proposals if proposal.status != "suppressed"]
        assert run.proposals_total == len(counted)
        assert len(proposals) == sum(batch.proposals for batch in listed)
        assert run.proposals_suppressed == len(proposals) - len(counted)
        assert run.proposals_pending == sum(proposal.status == "pending" for proposal in proposals)
        assert len({(p.batch_no, p.ordinal) for p in proposals}) == len(proposals)
        assert [event.seq for event in events] == list(range(1, run.last_seq + 1))
        assert run.llm_requests == sum(batch.llm_requests for batch in listed)
        assert run.input_tokens == sum(batch.input_tokens for batch in listed)
        return run
