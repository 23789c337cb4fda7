"""What an empty installation begins with: the offline agent, so that a run needs no key and no network."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import audit
from db.engine import Database
from models.actor import SYSTEM
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig
from models.values import EntityType

OFFLINE_MODEL = "rules-1"


async def ensure_offline_assignment(database: Database) -> UUID:
    """The assignment of the offline agent, made where it is missing; what a person changed of it stays."""
    async with database.transaction() as session:
        provider = await _named(session, LLMProvider, "provider", {"name": "Offline", "type": "offline"})
        agent = await _named(
            session,
            AgentConfig,
            "agent",
            {"name": "Offline extractor", "provider_id": provider, "model_name": OFFLINE_MODEL, "system_prompt": ""},
        )
        task = await _named(
            session,
            TaskConfig,
            "task_config",
            {"name": "Find tasks", "description": "Tasks that people agreed on in chat."},
        )
        return await _given(session, agent, task)


async def _named(session: AsyncSession, table: type[SQLModel], entity: EntityType, values: dict[str, object]) -> UUID:
    """The id of the row of this name, inserted where there is none."""
    columns = table.__table__.c  # type: ignore[attr-defined]  # SQLModel adds it to every table class
    made = insert(table).values(values).on_conflict_do_nothing(index_elements=["name"]).returning(columns.id)
    row_id: UUID | None = await session.scalar(made)
    if row_id is None:
        query = select(columns.id).where(columns.name == values["name"])
        found: UUID = (await session.execute(query)).scalar_one()
        return found
    audit.write(session, SYSTEM, "create", entity, row_id, before=None, after=values)
    return row_id


async def _given(session: AsyncSession, agent: UUID, task: UUID) -> UUID:
    """The id of the assignment of the agent to the task."""
    values: dict[str, object] = {"agent_id": agent, "task_id": task}
    made = insert(AgentTaskAssignment).values(values).on_conflict_do_nothing().returning(col(AgentTaskAssignment.id))
    row_id: UUID | None = await session.scalar(made)
    if row_id is None:
        query = select(AgentTaskAssignment.id).where(
            col(AgentTaskAssignment.agent_id) == agent, col(AgentTaskAssignment.task_id) == task
        )
        return (await session.exec(query)).one()
    audit.write(session, SYSTEM, "create", "assignment", row_id, before=None, after=values)
    return row_id
