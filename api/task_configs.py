"""Task configurations."""

from uuid import UUID

from fastapi import APIRouter, status

from api.auth import Admin, Reader
from api.configuration import page_of
from api.dependencies import Api
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.task_config import TaskConfigCreate, TaskConfigPatch, TaskConfigView
from db.records import Records
from models.agent import TaskConfig

router = APIRouter(prefix="/task-configs", tags=["task configurations"], route_class=IdempotentRoute)
_tasks = Records(TaskConfig, "task_config")


@router.get("")
async def list_task_configs(_: Reader, resources: Api, page: PageQuery) -> Page[TaskConfigView]:
    """Task configurations, the newest first."""
    return await page_of(resources, page, _tasks, TaskConfigView.model_validate)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_task_config(body: TaskConfigCreate, actor: Admin, resources: Api) -> TaskConfigView:
    """Add a task configuration. 409 `duplicate_name`."""
    async with resources.database.transaction() as session:
        return TaskConfigView.model_validate(await _tasks.add(session, TaskConfig(**body.model_dump()), actor))


@router.get("/{task_id}")
async def get_task_config(task_id: UUID, _: Reader, resources: Api) -> TaskConfigView:
    """The task configuration; 404 `task_config_not_found`."""
    async with resources.database.transaction() as session:
        return TaskConfigView.model_validate(await _tasks.get(session, task_id))


@router.patch("/{task_id}")
async def change_task_config(task_id: UUID, body: TaskConfigPatch, actor: Admin, resources: Api) -> TaskConfigView:
    """Change the fields named. Runs that have begun keep what they began with. 404; 409 `duplicate_name`."""
    async with resources.database.transaction() as session:
        row = await _tasks.lock(session, task_id)
        return TaskConfigView.model_validate(await _tasks.change(session, row, body.named(), actor))


@router.delete("/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_task_config(task_id: UUID, actor: Admin, resources: Api) -> None:
    """Remove a task configuration that no agent is given. 404 `task_config_not_found`; 409 `in_use`."""
    async with resources.database.transaction() as session:
        await _tasks.remove(session, task_id, actor)
