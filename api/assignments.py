"""Assignments: agents given task configurations."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, status
from sqlalchemy import ColumnElement

from api.auth import Admin, Reader
from api.dependencies import Api, Resources
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery, PageRequest
from api.schemas.assignment import AssignmentCreate, AssignmentPatch, AssignmentView
from db import assignments
from db.records import Records
from errors import BadRequest
from models.agent import AgentConfig, TaskConfig

router = APIRouter(tags=["agents"], route_class=IdempotentRoute)
_agents = Records(AgentConfig, "agent")


@router.get("/assignments")
async def list_assignments(
    _: Reader, resources: Api, page: PageQuery, active_only: bool = False
) -> Page[AssignmentView]:
    """Assignments of every agent, the newest first; with `active_only` those that a run could be created with."""
    return await _page(resources, page, assignments.conditions(active_only=active_only))


@router.get("/agents/{agent_id}/tasks")
async def list_tasks_of_agent(
    agent_id: UUID, _: Reader, resources: Api, page: PageQuery, active_only: bool = False
) -> Page[AssignmentView]:
    """The agent's assignments, the newest first; 404 `agent_not_found`."""
    async with resources.database.transaction() as session:
        await _agents.get(session, agent_id)
    return await _page(resources, page, assignments.conditions(agent_id=agent_id, active_only=active_only))


@router.post("/agents/{agent_id}/tasks", status_code=status.HTTP_201_CREATED)
async def assign_task(agent_id: UUID, body: AssignmentCreate, actor: Admin, resources: Api) -> AssignmentView:
    """Give the agent a task configuration.

    400 `unknown_task_config`; 404 `agent_not_found`; 409 `duplicate_assignment`.
    """
    async with resources.database.transaction() as session:
        await _agents.lock(session, agent_id)
        kept = {"read": True, "key_share": True}
        if await session.get(TaskConfig, body.task_id, with_for_update=kept) is None:
            raise BadRequest("unknown_task_config", f"There is no task configuration {body.task_id}.")
        return AssignmentView.model_validate(await assignments.assign(session, agent_id, body.task_id, actor))


@router.patch("/agents/{agent_id}/tasks/{task_id}")
async def switch_task_of_agent(
    agent_id: UUID, task_id: UUID, body: AssignmentPatch, actor: Admin, resources: Api
) -> AssignmentView:
    """Switch an assignment on or off; 404 `assignment_not_found`."""
    async with resources.database.transaction() as session:
        changed = await assignments.switch(session, agent_id, task_id, actor, is_active=body.is_active)
        return AssignmentView.model_validate(changed)


@router.delete("/agents/{agent_id}/tasks/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def unassign_task(agent_id: UUID, task_id: UUID, actor: Admin, resources: Api) -> None:
    """Take the task configuration from the agent. 404 `assignment_not_found`; 409 `in_use` where a run has it."""
    async with resources.database.transaction() as session:
        await assignments.remove(session, agent_id, task_id, actor)


async def _page(resources: Resources, page: PageRequest, wanted: list[ColumnElement[bool]]) -> Page[AssignmentView]:
    after = page.after(datetime, UUID)
    async with resources.database.transaction() as session:
        found = await assignments.listed(session, wanted, after=after, limit=page.limit + 1)
        total = await assignments.count(session, wanted)
    views = [AssignmentView.model_validate(assigned) for assigned in found]
    return page.of(views, total, key=lambda view: (view.assigned_at, view.id))
