"""What an empty installation begins with."""

import asyncio

from sqlmodel import SQLModel, col, func, select

from db import configuration
from db.defaults import OFFLINE_MODEL, ensure_offline_assignment
from db.engine import Database
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig
from models.audit import AuditEntry


async def test_a_run_needs_no_configuration(database: Database) -> None:
    assignment_id = await ensure_offline_assignment(database)
    async with database.transaction() as session:
        found = await configuration.load(session, assignment_id, None)
    found.check_active()
    assert (found.provider.type, found.agent.model_name) == ("offline", OFFLINE_MODEL)


async def test_it_is_made_once_however_many_processes_start(database: Database) -> None:
    ids = await asyncio.gather(*(ensure_offline_assignment(database) for _ in range(10)))
    assert len({*ids, await ensure_offline_assignment(database)}) == 1
    tables: list[type[SQLModel]] = [LLMProvider, AgentConfig, TaskConfig, AgentTaskAssignment]
    async with database.transaction() as session:
        counts = [(await session.exec(select(func.count()).select_from(table))).one() for table in tables]
        made = (await session.exec(select(AuditEntry.entity_type).order_by(col(AuditEntry.entity_type)))).all()
    assert counts == [1, 1, 1, 1]
    assert made == ["agent", "assignment", "provider", "task_config"]


async def test_what_a_person_changed_of_it_stays(database: Database) -> None:
    assignment_id = await ensure_offline_assignment(database)
    async with database.transaction() as session:
        found = await configuration.load(session, assignment_id, None)
        found.agent.system_prompt = "Find bugs only."
        found.assignment.is_active = False
        session.add_all([found.agent, found.assignment])
    assert await ensure_offline_assignment(database) == assignment_id
    async with database.transaction() as session:
        after = await configuration.load(session, assignment_id, None)
    assert (after.agent.system_prompt, after.assignment.is_active) == ("Find bugs only.", False)
