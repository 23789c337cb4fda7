"""Assignments: agents given task configurations."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from db import audit
from db.records import conflicts
from errors import NotFound
from models.actor import Actor
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig


@dataclass(frozen=True)
class Assigned:
    """An assignment, with the names of what it joins."""

    id: UUID
    agent_id: UUID
    task_id: UUID
    is_active: bool
    assigned_at: datetime
    agent_name: str
    task_name: str
    provider_name: str
    provider_type: str
    model_name: str

    @classmethod
    def of(
        cls, assignment: AgentTaskAssignment, agent: AgentConfig, task: TaskConfig, provider: LLMProvider
    ) -> "Assigned":
        return cls(
            id=assignment.id,
            agent_id=agent.id,
            task_id=task.id,
            is_active=assignment.is_active,
            assigned_at=assignment.assigned_at,
            agent_name=agent.name,
            task_name=task.name,
            provider_name=provider.name,
            provider_type=provider.type,
            model_name=agent.model_name,
        )


def conditions(*, agent_id: UUID | None = None, active_only: bool = False) -> list[ColumnElement[bool]]:
    """What a list is filtered by. Active means that a run could be created with it: every part is switched on."""
    wanted: list[ColumnElement[bool]] = []
    if agent_id is not None:
        wanted.append(col(AgentTaskAssignment.agent_id) == agent_id)
    if active_only:
        wanted += [_is_on(table) for table in (AgentTaskAssignment, AgentConfig, TaskConfig, LLMProvider)]
    return wanted


async def listed(
    session: AsyncSession, wanted: list[ColumnElement[bool]], *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Assigned]:
    """The newest first, after the (assigned_at, id) of the page before."""
    order = (col(AgentTaskAssignment.assigned_at), col(AgentTaskAssignment.id))
    query = _joined().where(*wanted).order_by(*(column.desc() for column in order)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    return [Assigned.of(*row) for row in (await session.exec(query)).all()]


async def count(session: AsyncSession, wanted: list[ColumnElement[bool]]) -> int:
    return (await session.exec(select(func.count()).select_from(_joined().where(*wanted).subquery()))).one()


async def assign(session: AsyncSession, agent_id: UUID, task_id: UUID, actor: Actor) -> Assigned:
    """409 `duplicate_assignment`. The agent and the task configuration must be there."""
    row = AgentTaskAssignment(agent_id=agent_id, task_id=task_id)
    session.add(row)
    with conflicts("assignment", duplicate="duplicate_assignment"):
        await session.flush()
    audit.write(session, actor, "create", "assignment", row.id, before=None, after=_audited(row))
    return await _shown(session, row)


async def switch(
    session: AsyncSession, agent_id: UUID, task_id: UUID, actor: Actor, *, is_active: bool | None
) -> Assigned:
    """Switch it on or off (None leaves it); 404 `assignment_not_found`."""
    row = await _locked(session, agent_id, task_id)
    if is_active is not None and is_active != row.is_active:
        before = _audited(row)
        row.is_active = is_active
        await session.flush()
        audit.write(session, actor, "edit", "assignment", row.id, before=before, after=_audited(row))
    return await _shown(session, row)


async def remove(session: AsyncSession, agent_id: UUID, task_id: UUID, actor: Actor) -> None:
    """404 `assignment_not_found`; 409 `in_use` where a run was created with it."""
    row = await _locked(session, agent_id, task_id)
    await session.delete(row)
    with conflicts("assignment"):
        await session.flush()
    audit.write(session, actor, "delete", "assignment", row.id, before=_audited(row), after=None)


def _audited(row: AgentTaskAssignment) -> dict[str, object]:
    return {"agent_id": row.agent_id, "task_id": row.task_id, "is_active": row.is_active}


async def _locked(session: AsyncSession, agent_id: UUID, task_id: UUID) -> AgentTaskAssignment:
    query = select(AgentTaskAssignment).where(
        col(AgentTaskAssignment.agent_id) == agent_id, col(AgentTaskAssignment.task_id) == task_id
    )
    row = (await session.exec(query.with_for_update())).one_or_none()
    if row is None:
        raise NotFound("assignment_not_found", f"The agent {agent_id} isn't given the task configuration {task_id}.")
    return row


async def _shown(session: AsyncSession, row: AgentTaskAssignment) -> Assigned:
    return Assigned.of(*(await session.exec(_joined().where(col(AgentTaskAssignment.id) == row.id))).one())


def _is_on(table: type[AgentTaskAssignment | AgentConfig | TaskConfig | LLMProvider]) -> ColumnElement[bool]:
    return col(table.is_active).is_(True)


def _joined() -> Select[AgentTaskAssignment, AgentConfig, TaskConfig, LLMProvider]:
    return (
        select(AgentTaskAssignment, AgentConfig, TaskConfig, LLMProvider)
        .join(AgentConfig, col(AgentConfig.id) == col(AgentTaskAssignment.agent_id))
        .join(TaskConfig, col(TaskConfig.id) == col(AgentTaskAssignment.task_id))
        .join(LLMProvider, col(LLMProvider.id) == col(AgentConfig.provider_id))
    )
