"""What an empty installation begins with: the offline agent, so that a run needs no key and no network."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.engine import Database
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig

OFFLINE_MODEL = "rules-1"


async def ensure_offline_assignment(database: Database) -> UUID:
    """The assignment of the offline agent, made where it is missing; what a person changed of it stays."""
    async with database.transaction() as session:
        provider = await _named(session, LLMProvider, {"name": "Offline", "type": "offline"})
        agent = await _named(
            session,
            AgentConfig,
            {"name": "Offline extractor", "provider_id": provider, "model_name": OFFLINE_MODEL, "system_prompt": ""},
        )
        task = await _named(
            session, TaskConfig, {"name": "Find tasks", "description": "Tasks that people agreed on in chat."}
        )
        await session.execute(insert(AgentTaskAssignment).values(agent_id=agent, task_id=task).on_conflict_do_nothing())
        query = select(AgentTaskAssignment.id).where(
            col(AgentTaskAssignment.agent_id) == agent, col(AgentTaskAssignment.task_id) == task
        )
        return (await session.exec(query)).one()


async def _named(session: AsyncSession, table: type[SQLModel], values: dict[str, object]) -> UUID:
    """The id of the row of this name, inserted where there is none."""
    await session.execute(insert(table).values(values).on_conflict_do_nothing(index_elements=["name"]))
    columns = table.__table__.c  # type: ignore[attr-defined]  # SQLModel adds it to every table class
    found: UUID = (await session.execute(select(columns.id).where(columns.name == values["name"]))).scalar_one()
    return found
