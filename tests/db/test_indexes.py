"""Every query of the service finds its rows by an index, in tables as large as a year of chat makes them.

The statements are those that the functions really send, explained with the values that they really had.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.prefilter import rules_for
from analysis.verdicts import PROVIDER_WIDE
from db import (
    answers,
    audit,
    batches,
    bulk,
    estimates,
    evidence,
    lifecycle,
    memory,
    message_search,
    outbox,
    plans,
    proposals,
    run_views,
    runs,
    statistics,
    tasks,
    window_previews,
    windows,
)
from db.engine import Database
from db.message_search import Wanted
from db.runs import LockedRun
from devstack.servers import Servers
from models.base import new_id
from models.proposal import TaskProposal
from models.run import AnalysisRun
from tests.support.builders import START, add_assignment, fill_messages

MESSAGES = 100_000
LARGE = {
    "messages",
    "task_proposals",
    "analysis_runs",
    "analysis_batches",
    "run_events",
    "model_calls",
    "model_responses",
    "run_message_chunks",
    "tasks",
    "audit_log",
}

# Two thousand runs, an hour each, nearly all closed; the youngest is at work on many batches.
_RUNS = """
    INSERT INTO project_configs (name) SELECT 'project ' || n FROM generate_series(1, 20) AS n;
    CREATE TEMP TABLE numbered AS
        SELECT uuidv7() AS id, n FROM generate_series(1, 2000) AS n;
    INSERT INTO analysis_runs (id, status, trigger_type, time_window_start, time_window_end, agent_assignment_id,
                               project_config_id, created_at, last_event_at, options)
    SELECT id,
           CASE WHEN n = 2000 THEN 'running' WHEN n % 100 = 0 THEN 'failed' ELSE 'closed' END,
           CASE WHEN n % 100 = 1 THEN 'custom' WHEN n % 10 = 2 THEN 'scheduled' ELSE 'manual' END,
           begin, begin + CASE WHEN n = 2000 THEN interval '4 h' ELSE interval '1 h' END,
           (SELECT id FROM agent_task_assignments LIMIT 1),
           CASE WHEN n % 2 = 0 THEN (SELECT id FROM project_configs WHERE name = 'project ' || 1 + n % 20) END,
           begin, begin, '{"prefilter": "rules", "time_gap_seconds": 600}'
    FROM numbered, LATERAL (SELECT timestamptz '2026-03-10T00:00:00Z' + (n - 2000) * interval '1 h') AS at (begin);
    INSERT INTO run_message_chunks (run_id, chunk_no, message_ids, last_sent_at, last_message_id)
    SELECT id, 1, ARRAY[id], now(), id FROM numbered WHERE n < 2000;
    INSERT INTO run_events (run_id, seq, event)
    SELECT id, seq, 'progress_updated' FROM numbered, generate_series(1, 25) AS seq;
    INSERT INTO analysis_batches (run_id, batch_no, status, source_id, channel, message_ids, message_count)
    SELECT id, batch_no, CASE WHEN n = 2000 AND batch_no > 3990 THEN 'waiting' ELSE 'completed' END,
           (SELECT id FROM sources LIMIT 1), 'c0', ARRAY[uuidv7()], 1
    FROM numbered, generate_series(1, CASE WHEN n = 2000 THEN 4000 ELSE 5 END) AS batch_no;
    INSERT INTO model_calls (run_id, batch_no, outcome, at)
    SELECT run_id, batch_no, CASE WHEN batch_no % 50 = 0 THEN 'timeout' ELSE 'answered' END,
           timestamptz '2026-03-10T00:00:00Z' + batch_no * interval '1 s'
    FROM analysis_batches;
    INSERT INTO model_responses (fingerprint, run_id, model, raw_answer)
    SELECT run_id || ':' || batch_no, run_id, 'rules-1', '{}' FROM analysis_batches;
    INSERT INTO task_proposals (run_id, batch_no, ordinal, proposed_title, proposed_description, confidence, status,
                                source_message_ids, message_count, project_config_id, model, prompt_version)
    SELECT run.id, 1, part, 'Fix part ' || part, repeat('words ', 30), random(),
           CASE WHEN n % 40 = 0 THEN 'pending' WHEN part = 1 THEN 'rejected' ELSE 'approved' END,
           ARRAY(SELECT uuidv7() FROM generate_series(1, 50)), 50, run.project_config_id, 'rules-1', '1'
    FROM numbered JOIN analysis_runs AS run USING (id), generate_series(1, 3) AS part WHERE n % 6 < 5;
    INSERT INTO tasks (title, description, status, assignee, project_config_id, created_at, parent_task_id)
    SELECT 'Fix part ' || n, repeat('words ', 30), CASE WHEN n % 100 = 0 THEN 'in_progress' ELSE 'closed' END,
           'author ' || n % 50, CASE WHEN n % 2 = 0 THEN (SELECT id FROM project_configs WHERE name = 'project 2') END,
           timestamptz '2026-03-10T00:00:00Z' - n * interval '1 min', NULL
    FROM generate_series(1, 20000) AS n;
    INSERT INTO task_vectors
    SELECT id, title, (SELECT array_agg(random() + 0 * (n + d)) FROM generate_series(1, 384) AS d)::halfvec
    FROM (SELECT *, row_number() OVER () AS n FROM tasks) AS task WHERE n <= 1000;
    INSERT INTO proposal_vectors
    SELECT id, proposed_title, (SELECT array_agg(random() + 0 * (n + d)) FROM generate_series(1, 384) AS d)::halfvec
    FROM (SELECT *, row_number() OVER () AS n FROM task_proposals) AS proposal WHERE n <= 1000;
    ANALYZE tasks, task_proposals;
    UPDATE task_proposals SET task_id = task.id FROM tasks AS task
    WHERE task.title = 'Fix part ' || 1 + abs(hashtext(task_proposals.id::text)) % 20000
      AND task_proposals.status = 'approved' AND ordinal = 2;
    UPDATE task_proposals AS part SET merged_into_id = whole.id FROM task_proposals AS whole
    WHERE part.run_id = whole.run_id AND part.ordinal = 3 AND whole.ordinal = 2 AND part.status = 'approved';
    INSERT INTO audit_log (at, actor_kind, actor_id, actor_name, action, entity_type, entity_id, before, after)
    SELECT timestamptz '2026-03-10T00:00:00Z' - n * interval '1 min', 'key', uuidv7()::text, 'key ' || n % 40,
           CASE WHEN n % 100 = 0 THEN 'reopen' ELSE 'approve' END,
           CASE WHEN n % 500 = 0 THEN 'agent' ELSE 'proposal' END, uuidv7(),
           '{"status": "pending"}', '{"status": "approved"}'
    FROM generate_series(1, 60000) AS n;
"""


@dataclass(frozen=True)
class Plan:
    """The nodes of a query's plan."""

    nodes: list[dict[str, Any]]

    def uses(self, indexes: str) -> bool:
        """Whether it reads one of these indexes, written `one|other`."""
        return not {node.get("Index Name") for node in self.nodes}.isdisjoint(indexes.split("|"))

    @property
    def scanned(self) -> set[str]:
        """The large tables that are read from one end to the other."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"} & LARGE

    @property
    def sorts(self) -> bool:
        return any(node["Node Type"] in ("Sort", "Incremental Sort") for node in self.nodes)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


@dataclass(frozen=True)
class Large:
    """A large database."""

    database: Database
    run: AnalysisRun
    """The run at work."""
    project: UUID

    async def plans(self, act: Callable[[AsyncSession], Awaitable[object]]) -> list[Plan]:
        """How each statement on a large table is done that the function sends; what it changes is undone."""
        async with self.database.transaction() as session:
            with self._noted() as statements:
                await act(session)
            await session.rollback()
        async with self.database.engine.connect() as connection:
            found = []
            for statement, values in statements:
                [[plan]] = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)).all()
                found.append(Plan(list(_nodes(plan[0]["Plan"]))))
        return found

    @contextmanager
    def _noted(self) -> Iterator[list[tuple[str, Any]]]:
        noted: list[tuple[str, Any]] = []

        def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
            if any(re.search(rf"\b{table}\b", statement) for table in LARGE):
                noted.append((statement, values))

        event.listen(self.database.engine.sync_engine, "before_cursor_execute", note)
        try:
            yield noted
        finally:
            event.remove(self.database.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture(scope="module")
async def large(stack: Servers) -> AsyncIterator[Large]:
    """Filled once for all tests of the module, which change nothing in it."""
    server = stack.dsn.rpartition("/")[0]
    admin = await asyncpg.connect(f"{server}/postgres")
    await admin.execute("CREATE DATABASE large TEMPLATE gleaner")
    async with Database(f"{server}/large") as database:
        await add_assignment(database)
        await fill_messages(database, MESSAGES, channels=40)
        connection = await asyncpg.connect(database.dsn)
        await connection.execute(_RUNS)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        async with database.transaction() as session:
            [view], _ = await run_views.listed(session, run_views.conditions(status="running"), after=None, limit=1)
            run = await runs.get(session, view.id)
            assert run.project_config_id is not None
            while await windows.pin_chunk(session, run) is not None:
                pass
        yield Large(database, run, run.project_config_id)
    await admin.execute("DROP DATABASE large WITH (FORCE)")
    await admin.close()


Act = Callable[[AsyncSession, Large], Awaitable[object]]
RULES = rules_for("rules", ["part 17"])
SINCE = START - timedelta(hours=3)
VECTOR = [384**-0.5] * 384


async def every(parts: AsyncIterator[object]) -> None:
    async for _ in parts:
        pass


def message_list(**wanted: Any) -> Act:
    return lambda session, _: message_search.listed(session, Wanted(**wanted), after=None, limit=51)


def message_count(**wanted: Any) -> Act:
    return lambda session, _: message_search.count(session, Wanted(**wanted))


def message_page(**wanted: Any) -> Act:
    after = START + timedelta(seconds=100_000), UUID(int=0)
    return lambda session, _: message_search.listed(session, Wanted(**wanted), after=after, limit=51)


def run_list(**wanted: Any) -> Act:
    return lambda session, large: run_views.listed(session, run_conditions(large, wanted), after=None, limit=51)


def run_page(**wanted: Any) -> Act:
    after = SINCE - timedelta(days=30), UUID(int=0)
    return lambda session, large: run_views.listed(session, run_conditions(large, wanted), after=after, limit=51)


def run_count(**wanted: Any) -> Act:
    return lambda session, large: run_views.count(session, run_conditions(large, wanted))


def run_conditions(large: Large, wanted: dict[str, Any]) -> Any:
    return run_views.conditions(
        **wanted | ({"project_config_id": large.project} if "project_config_id" in wanted else {})
    )


def proposal_list(*, sort: proposals.Sort = "confidence", **wanted: Any) -> Act:
    return lambda session, large: proposals.listed(
        session, proposal_conditions(large, wanted), sort=sort, after=None, limit=51
    )


def proposal_page(*, sort: proposals.Sort = "confidence", **wanted: Any) -> Act:
    after = 0.5, UUID(int=2**128 - 1)
    return lambda session, large: proposals.listed(
        session, proposal_conditions(large, wanted), sort=sort, after=after, limit=51
    )


def proposal_count(**wanted: Any) -> Act:
    return lambda session, large: proposals.count(session, proposal_conditions(large, wanted))


def proposal_conditions(large: Large, wanted: dict[str, Any]) -> Any:
    known = {"run_id": large.run.id, "project_config_id": large.project}
    return proposals.conditions(**wanted | {name: known[name] for name in wanted if name in known})


def task_list(**wanted: Any) -> Act:
    return lambda session, large: tasks.listed(session, task_conditions(large, wanted), after=None, limit=51)


def task_page(**wanted: Any) -> Act:
    after = (SINCE - timedelta(days=2), new_id())
    return lambda session, large: tasks.listed(session, task_conditions(large, wanted), after=after, limit=51)


def task_conditions(large: Large, wanted: dict[str, Any]) -> Any:
    return tasks.conditions(**wanted | ({"project_config_id": large.project} if "project_config_id" in wanted else {}))


def audit_list(**wanted: Any) -> Act:
    return lambda session, _: audit.listed(session, audit.conditions(**wanted), limit=51)


# The run and the project are known only once the database is there.
OF_RUN: dict[str, Any] = {"run_id": None}
OF_PROJECT: dict[str, Any] = {"project_config_id": None}

LISTS: dict[str, tuple[Act, set[str]]] = {
    "messages": (message_list(), {"ix_messages_window"}),
    "the next page of messages": (message_page(), {"ix_messages_window"}),
    "messages of a channel": (message_list(source="bulk", channel="c7"), {"ix_messages_channel"}),
    "the next page of a channel": (message_page(source="bulk", channel="c7"), {"ix_messages_channel"}),
    "messages of some hours": (message_list(start=START, end=START + timedelta(hours=2)), {"ix_messages_window"}),
    "runs": (run_list(), {"ix_analysis_runs_created"}),
    "the next page of runs": (run_page(), {"ix_analysis_runs_created"}),
    "runs by a rare state": (run_list(status="failed"), {"ix_analysis_runs_status"}),
    "runs by a usual state": (run_list(status="closed"), {"ix_analysis_runs_status|ix_analysis_runs_created"}),
    "the next page of a state": (run_page(status="failed"), {"ix_analysis_runs_status"}),
    "runs by trigger": (run_list(trigger_type="custom"), {"ix_analysis_runs_trigger"}),
    "runs of a project": (run_list(**OF_PROJECT), {"ix_analysis_runs_project"}),
    "runs made after": (run_list(created_after=SINCE), {"ix_analysis_runs_created"}),
    "runs made before": (run_list(created_before=SINCE), {"ix_analysis_runs_created"}),
    "proposals": (proposal_list(), {"ix_task_proposals_confidence"}),
    "the next page of proposals": (proposal_page(), {"ix_task_proposals_confidence"}),
    "proposals of a run": (proposal_list(**OF_RUN), {"ix_task_proposals_run"}),
    "pending proposals of a run": (proposal_list(status="pending", **OF_RUN), {"ix_task_proposals_run"}),
    "pending proposals": (proposal_list(status="pending"), {"ix_task_proposals_status"}),
    "the next page of pending ones": (proposal_page(status="pending"), {"ix_task_proposals_status"}),
    "sure proposals": (proposal_list(min_confidence=0.9), {"ix_task_proposals_confidence"}),
    "proposals of a project": (proposal_list(**OF_PROJECT), {"ix_task_proposals_project"}),
    "the newest proposals": (proposal_list(sort="created_at"), {"task_proposals_pkey"}),
    "the next of the newest": (proposal_page(sort="created_at"), {"task_proposals_pkey"}),
    "tasks": (task_list(), {"ix_tasks_created"}),
    "the next page of tasks": (task_page(), {"ix_tasks_created"}),
    "tasks by a rare state": (task_list(status="in_progress"), {"ix_tasks_status"}),
    "the next page of a state of tasks": (task_page(status="in_progress"), {"ix_tasks_status"}),
    "tasks of a project": (task_list(**OF_PROJECT), {"ix_tasks_project"}),
    "tasks of a person": (task_list(assignee="author 7"), {"ix_tasks_assignee"}),
    "the audit": (audit_list(), {"ix_audit_log_at"}),
    "the audit since": (audit_list(start=SINCE - timedelta(days=3)), {"ix_audit_log_at"}),
    "the audit of a thing": (audit_list(entity_id=new_id(), entity_type="proposal"), {"ix_audit_log_entity_id"}),
    "the audit of a kind": (audit_list(entity_type="agent"), {"ix_audit_log_entity_type"}),
    "the audit of a key": (audit_list(actor=str(new_id())), {"ix_audit_log_actor_id"}),
    "the audit of a name": (audit_list(actor="key 7"), {"ix_audit_log_actor_name"}),
    "the audit of an action": (audit_list(action="reopen"), {"ix_audit_log_action"}),
    "events after a number": (
        lambda session, large: outbox.events_after(session, large.run.id, 5, 100),
        {"run_events_pkey"},
    ),
    "batches": (lambda session, large: batches.listed(session, large.run.id, 100, 51), {"analysis_batches_pkey"}),
    "unsettled batches": (
        lambda session, large: batches.unsettled(session, large.run.id),
        {"ix_analysis_batches_unsettled"},
    ),
}

FOUND: dict[str, tuple[Act, set[str]]] = {
    "the window of a run": (
        lambda session, large: windows.pin_chunk(session, large.run),
        {"ix_messages_window", "run_message_chunks_pkey"},
    ),
    "the prefilter": (
        lambda session, large: windows.filter_chunk(session, large.run.id, 1, RULES),
        {"messages_pkey", "run_message_chunks_pkey"},
    ),
    "what a run would see": (
        lambda session, large: window_previews.preview(session, large.run, RULES),
        {"ix_messages_window"},
    ),
    "what a run would batch": (
        lambda session, large: every(window_previews.preview_stretches(session, large.run, RULES)),
        {"ix_messages_window"},
    ),
    "what a run batches": (
        lambda session, large: every(plans.kept_stretches(session, large.run.id, 600)),
        {"messages_pkey", "run_message_chunks_pkey"},
    ),
    "what a model used": (
        lambda session, _: estimates.past_usage(session, "offline", "rules-1"),
        {"analysis_batches_pkey", "messages_pkey"},
    ),
    "the messages of a batch": (
        lambda session, _: batches.messages(session, [new_id() for _ in range(50)]),
        {"messages_pkey"},
    ),
    "a text": (message_list(text="part 123456"), {"ix_messages_content_trgm"}),
    "how often a text": (message_count(text="part 123456"), {"ix_messages_content_trgm"}),
    "a text with signs in it": (message_list(text="100%_sure"), {"ix_messages_content_trgm"}),
    "how many messages of a channel": (
        message_count(source="bulk", channel="c7"),
        {"ix_messages_channel|uq_messages_key"},
    ),
    "how many of some hours": (
        message_count(start=START, end=START + timedelta(hours=2)),
        {"ix_messages_window"},
    ),
    "how many runs in a state": (run_count(status="failed"), {"ix_analysis_runs_status"}),
    "how many runs of a trigger": (run_count(trigger_type="custom"), {"ix_analysis_runs_trigger"}),
    "how many runs of a project": (run_count(**OF_PROJECT), {"ix_analysis_runs_project"}),
    "how many runs since": (run_count(created_after=SINCE), {"ix_analysis_runs_created"}),
    "how many proposals of a run": (proposal_count(**OF_RUN), {"ix_task_proposals_run"}),
    "how many pending ones": (proposal_count(status="pending"), {"ix_task_proposals_status"}),
    "how many sure ones": (
        proposal_count(min_confidence=0.95),
        {"ix_task_proposals_confidence|ix_task_proposals_status"},
    ),
    "what is remembered of a small project": (
        lambda session, large: memory.remembered(session, large.run, [_new_proposal()], [VECTOR]),
        {"ix_task_proposals_evidence", "ix_task_proposals_project", "ix_tasks_project"},
    ),
    "what is remembered of its meaning": (
        lambda session, large: memory.remembered(session, _of_none(large.run), [_new_proposal()], [VECTOR]),
        {"ix_task_proposals_evidence", "ix_proposal_vectors_nearest", "ix_task_vectors_nearest"},
    ),
    "what is remembered of its words": (
        lambda session, large: memory.remembered(session, _of_none(large.run), [_new_proposal()], [None]),
        {"ix_task_proposals_evidence", "ix_task_proposals_title_alike", "ix_tasks_title_alike"},
    ),
    "how many of a project": (proposal_count(**OF_PROJECT), {"ix_task_proposals_project"}),
    "the pending proposals of all": (
        lambda session, _: statistics.proposals_pending(session),
        {"ix_task_proposals_status"},
    ),
    "a tracker's task": (task_list(external_system="linear", external_id="ENG-7"), {"uq_tasks_external"}),
    "a text in tasks": (task_list(words="part 12345"), {"ix_tasks_text_trgm"}),
    "what reports a task": (
        lambda session, _: evidence.reports(session, new_id()),
        {"ix_task_proposals_task_id", "ix_task_proposals_merged_into_id"},
    ),
    "what was merged into a proposal": (
        lambda session, _: evidence.parts(session, new_id()),
        {"ix_task_proposals_merged_into_id"},
    ),
    "whether a task was merged into": (
        lambda session, _: evidence.was_merged_into(session, new_id()),
        {"ix_task_proposals_task_id"},
    ),
    "the tasks below a task": (lambda session, _: tasks.children(session, new_id()), {"ix_tasks_parent_task_id"}),
    "what a bulk finds": (
        lambda session, large: bulk.matching(
            session, [*proposal_conditions(large, OF_RUN), proposals.decided()], limit=100
        ),
        {"ix_task_proposals_run"},
    ),
    "a run in the way": (
        lambda session, large: runs.find_overlap(session, large.run),
        {"ex_analysis_runs_overlap"},
    ),
    "how far the events go": (lambda session, _: outbox.heads_since(session, SINCE), {"ix_analysis_runs_event"}),
    "the events ahead": (
        lambda session, large: outbox.events_ahead(session, {large.run.id: 3, new_id(): 0}, SINCE, 100),
        {"run_events_pkey"},
    ),
    "the health of a provider": (
        lambda session, large: answers.health(session, large.run.id, 50, PROVIDER_WIDE, SINCE),
        {"ix_model_calls_run", "ix_model_calls_batch"},
    ),
    "why a call failed last": (
        lambda session, large: answers.last_failure(session, large.run.id),
        {"ix_model_calls_run|ix_model_calls_batch"},
    ),
    "a stored answer": (
        lambda session, large: answers.reusable(session, f"{large.run.id}:7", large.run.id, since=None),
        {"model_responses_pkey"},
    ),
    "why a batch failed last": (
        lambda session, large: lifecycle.last_batch_error(LockedRun(session, large.run)),
        {"ix_analysis_batches_unsettled"},
    ),
}


def _of_none(run: AnalysisRun) -> AnalysisRun:
    """The same without its project."""
    return AnalysisRun(**{**run.model_dump(), "project_config_id": None})


def _new_proposal() -> TaskProposal:
    return TaskProposal.model_validate(
        {
            "run_id": new_id(),
            "batch_no": 1,
            "ordinal": 1,
            "proposed_title": "Overhaul the gearbox of part 4711",
            "confidence": 0.5,
            "source_message_ids": [new_id()],
            "message_count": 1,
            "model": "m",
            "prompt_version": "1",
        }
    )


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_read_in_the_order_of_its_index(large: Large, name: str) -> None:
    act, indexes = LISTS[name]
    [plan] = await large.plans(lambda session: act(session, large))
    assert all(plan.uses(index) for index in indexes), plan
    assert not plan.scanned
    assert not plan.sorts


@pytest.mark.parametrize("name", FOUND)
async def test_rows_are_found_by_an_index(large: Large, name: str) -> None:
    act, indexes = FOUND[name]
    plans = await large.plans(lambda session: act(session, large))
    assert all(any(plan.uses(index) for plan in plans) for index in indexes), plans
    assert not any(plan.scanned for plan in plans)
