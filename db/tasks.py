"""Tasks: made and withdrawn by decisions about proposals, changed by people."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, text, tuple_
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from db import audit, evidence, vectors
from db.engine import Database
from db.versions import check_version
from errors import BadRequest, Conflict, NotFound, Unprocessable
from models.actor import Actor
from models.base import new_id, now
from models.project import ProjectConfig
from models.proposal import TaskProposal
from models.task import Task
from models.values import TaskStatus

_TREE_LOCK = 0x7461736B  # any number that nothing else locks; held while parents change, so that no two make a loop


def not_found(task_id: UUID) -> NotFound:
    return NotFound("task_not_found", f"There is no task {task_id}.")


async def get(session: AsyncSession, task_id: UUID) -> Task:
    """404 `task_not_found`."""
    task = await session.get(Task, task_id)
    if task is None:
        raise not_found(task_id)
    return task


async def lock(session: AsyncSession, task_id: UUID) -> Task:
    """The task, to be changed; 404. Rows that refer to it may be written meanwhile."""
    task = await session.get(Task, task_id, with_for_update={"key_share": True}, populate_existing=True)
    if task is None:
        raise not_found(task_id)
    return task


def conditions(
    *,
    status: TaskStatus | None = None,
    project_config_id: UUID | None = None,
    assignee: str | None = None,
    words: str | None = None,
    external_system: str | None = None,
    external_id: str | None = None,
) -> list[ColumnElement[bool]]:
    """What a list is filtered by; None filters nothing. `words` stand in the title or description, in any case."""
    wanted: list[ColumnElement[bool]] = []
    if status is not None:
        wanted.append(col(Task.status) == status)
    if project_config_id is not None:
        wanted.append(col(Task.project_config_id) == project_config_id)
    if assignee is not None:
        wanted.append(col(Task.assignee) == assignee)
    if external_system is not None:
        wanted.append(col(Task.external_system) == external_system)
    if external_id is not None:
        wanted.append(col(Task.external_id) == external_id)
    if words is not None:
        texts = (col(Task.title), col(Task.description))
        wanted.append(or_(*(column.icontains(words, autoescape=True) for column in texts)))
    return wanted


async def listed(
    session: AsyncSession,
    wanted: Sequence[ColumnElement[bool]],
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Task]:
    """Tasks, the newest first, after the (created_at, id) of the page before."""
    order = (col(Task.created_at), col(Task.id))
    query = select(Task).where(*wanted).order_by(*(column.desc() for column in order)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    return list((await session.exec(query)).all())


async def count(session: AsyncSession, wanted: Sequence[ColumnElement[bool]]) -> int:
    return (await session.exec(select(func.count()).select_from(Task).where(*wanted))).one()


async def children(session: AsyncSession, task_id: UUID) -> list[Task]:
    query = select(Task).where(col(Task.parent_task_id) == task_id).order_by(col(Task.id))
    return list((await session.exec(query)).all())


async def change(
    database: Database, task_id: UUID, values: Mapping[str, Any], *, actor: Actor, version: int | None
) -> Task:
    """Set what differs.

    400 `unknown_project`, `unknown_parent_task`; 404 `task_not_found`; 409 `task_withdrawn`, `external_link_taken`; 412
    `version_conflict`; 422 `parent_cycle`, `external_link_incomplete`.
    """
    async with database.transaction() as session:
        if values.get("parent_task_id") is not None:
            await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TREE_LOCK})
        task = await lock(session, task_id)
        check_version(task, version)
        if task.status == "withdrawn":
            raise Conflict("task_withdrawn", "The task's approval was undone; approve its proposal to bring it back.")
        changed = {name: value for name, value in values.items() if getattr(task, name) != value}
        if "project_config_id" in changed:
            await check_project(session, changed["project_config_id"])
        if "parent_task_id" in changed:
            await _check_parent(session, task, changed["parent_task_id"])
        if changed:
            _apply(session, task, changed, actor, "edit")
        if changed.keys() & {"external_system", "external_id"}:
            await _check_link(session, task)
        return task


async def _check_link(session: AsyncSession, task: Task) -> None:
    """An id means something only together with the system that it is of, and there it is of one task."""
    if (task.external_system is None) != (task.external_id is None):
        raise Unprocessable("external_link_incomplete", "external_system and external_id go together.")
    link = f"{task.external_id} of {task.external_system}"
    try:
        await session.flush()
    except IntegrityError as error:
        raise Conflict("external_link_taken", f"Another task is {link}.") from error


async def check_project(session: AsyncSession, project_id: UUID | None) -> None:
    """400 `unknown_project`."""
    kept = {"read": True, "key_share": True}
    if project_id is not None and await session.get(ProjectConfig, project_id, with_for_update=kept) is None:
        raise BadRequest("unknown_project", f"There is no project {project_id}.")


async def _check_parent(session: AsyncSession, task: Task, parent_id: UUID | None) -> None:
    """400 `unknown_parent_task`, 422 `parent_cycle` where the task is the parent or one of those above it."""
    above = parent_id
    while above is not None:
        if above == task.id:
            raise Unprocessable("parent_cycle", "A task can't be above itself.")
        parent = await session.get(Task, above, populate_existing=True)
        if parent is None:
            raise BadRequest("unknown_parent_task", f"There is no task {parent_id}.")
        above = parent.parent_task_id


async def of_approval(session: AsyncSession, proposal: TaskProposal, actor: Actor) -> Task:
    """The task that an approved proposal becomes: a new one, or the one that was withdrawn, open again. It says what
    the proposal says."""
    said: dict[str, Any] = {
        "title": proposal.proposed_title,
        "description": proposal.proposed_description,
        "priority": proposal.proposed_priority,
        "category": proposal.proposed_category,
        "tags": list(proposal.proposed_tags),
        "assignee": proposal.proposed_assignee,
        "due_date": proposal.due_date,
        "project_config_id": proposal.project_config_id,
    }
    if proposal.withdrawn_task_id is not None:
        task = await lock(session, proposal.withdrawn_task_id)
        _apply(session, task, {**said, "status": "open"}, actor, "restore")
    else:
        task = Task(id=new_id(), **said)
        session.add(task)
        audit.write(session, actor, "create", "task", task.id, before=None, after=_audited(task))
    await session.flush()
    await vectors.pass_on(session, proposal, task)
    return task


async def withdraw(session: AsyncSession, task: Task, actor: Actor) -> None:
    """Take the locked task out of the world, because its approval is undone; 409 `task_linked`."""
    if task.external_system or task.external_id or task.external_url:
        raise Conflict("task_linked", "A tracker has the task; take away its external link first.")
    if await evidence.was_merged_into(session, task.id):
        raise Conflict("task_linked", "Other proposals were merged into the task; reopen them first.")
    _apply(session, task, {"status": "withdrawn"}, actor, "withdraw")


async def count_reports(session: AsyncSession, task: Task) -> None:
    """Set the locked task's `incident_count` by the rows of those who report it, so that it can't drift."""
    task.incident_count = await _reports(session, task)


async def recount_reports(session: AsyncSession, task: Task, actor: Actor, action: str) -> None:
    """The same as a change of its own."""
    _apply(session, task, {"incident_count": await _reports(session, task)}, actor, action)


async def _reports(session: AsyncSession, task: Task) -> int:
    await session.flush()
    return await evidence.count_reports(session, task.id)


def _apply(session: AsyncSession, task: Task, changes: Mapping[str, Any], actor: Actor, action: str) -> None:
    before = _audited(task)
    for name, value in changes.items():
        setattr(task, name, value)
    task.updated_at = now()
    task.version += 1
    audit.write(session, actor, action, "task", task.id, before=before, after=_audited(task))


def _audited(task: Task) -> dict[str, object]:
    return task.model_dump(exclude={"id", "created_at", "updated_at", "version"})
