"""Tasks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import ColumnElement

from api.auth import Reader, Reviewer
from api.dependencies import Api
from api.exporting import DOCUMENT, Download, FormatQuery, download
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.audit import AuditView
from api.schemas.task import TaskChild, TaskDetail, TaskEvidence, TaskPatch, TaskReport, TaskView
from api.versions import GivenVersion, show_version
from db import audit, evidence, proposals, tasks
from models.message import Message
from models.proposal import TaskProposal
from models.proposal_views import EvidenceMessage
from models.values import TaskStatus

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=IdempotentRoute)

_HISTORY = 100
"""Entries of the audit that a task shows; `GET /audit?entity_id=` has them all."""


async def _wanted(
    status: TaskStatus | None = None,
    project_config_id: UUID | None = None,
    assignee: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[str | None, Query(max_length=1000, description="A text in title or description, in any case.")] = None,
    external_system: Annotated[str | None, Query(max_length=200)] = None,
    external_id: Annotated[str | None, Query(max_length=200)] = None,
) -> list[ColumnElement[bool]]:
    return tasks.conditions(
        status=status,
        project_config_id=project_config_id,
        assignee=assignee,
        words=q,
        external_system=external_system,
        external_id=external_id,
    )


TasksWanted = Annotated[list[ColumnElement[bool]], Depends(_wanted)]


@router.get("")
async def list_tasks(_: Reader, resources: Api, page: PageQuery, wanted: TasksWanted) -> Page[TaskView]:
    """Tasks, the newest first."""
    async with resources.database.transaction() as session:
        found = await tasks.listed(session, wanted, after=page.after(datetime, UUID), limit=page.limit + 1)
        total = await tasks.count(session, wanted)
    views = [TaskView.model_validate(task) for task in found]
    return page.of(views, total, key=lambda view: (view.created_at, view.id))


@router.get("/export", response_class=Response, responses={200: DOCUMENT})
async def export_tasks(_: Reader, resources: Api, wanted: TasksWanted, format_: FormatQuery = "csv") -> Download:
    """All tasks of a list as one document, project by project, as they were at one moment."""
    return await download(resources.database, "tasks", wanted, format_)


@router.get("/{task_id}")
async def get_task(task_id: UUID, _: Reader, resources: Api, request: Request, response: Response) -> TaskDetail:
    """The task with the proposals that report it, their evidence, and its history. 404 `task_not_found`."""
    async with resources.database.transaction() as session:
        task = await tasks.get(session, task_id)
        reports = await evidence.reports(session, task_id)
        messages = await proposals.messages_of(session, [one for report in reports for one in _message_ids(report)])
        below = await tasks.children(session, task_id)
        history = await audit.listed(session, audit.conditions(entity_type="task", entity_id=task_id), limit=_HISTORY)
    shown = [_report(request, report, messages) for report in reports]
    origin = shown[:1] if reports and reports[0].status == "approved" else []
    show_version(response, task.version)
    return TaskDetail(
        **TaskView.model_validate(task).model_dump(),
        provenance=origin[0] if origin else None,
        merges=shown[len(origin) :],
        children=[TaskChild.model_validate(child) for child in below],
        history=[AuditView.model_validate(entry) for entry in history],
    )


@router.patch("/{task_id}")
async def change_task(
    task_id: UUID, body: TaskPatch, version: GivenVersion, actor: Reviewer, resources: Api, response: Response
) -> TaskView:
    """Change the fields named.

    400 `unknown_project`, `unknown_parent_task`; 404 `task_not_found`; 409 `task_withdrawn`, `external_link_taken`; 412
    `version_conflict` where `If-Match` names another; 422 also `parent_cycle`, `external_link_incomplete`.
    """
    task = await tasks.change(resources.database, task_id, body.named(), actor=actor, version=version)
    show_version(response, task.version)
    return TaskView.model_validate(task)


def _message_ids(report: TaskProposal) -> list[UUID]:
    return [UUID(message_id) for message_id in evidence.own_evidence(report)["source_message_ids"]]


def _report(request: Request, report: TaskProposal, messages: Mapping[UUID, Message]) -> TaskReport:
    return TaskReport(
        proposal_id=report.id,
        title=report.proposed_title,
        evidence=_evidence(request, report, messages),
        **report.model_dump(include=TaskReport.model_fields.keys() - {"evidence"}),
    )


def _evidence(request: Request, report: TaskProposal, messages: Mapping[UUID, Message]) -> list[TaskEvidence]:
    """Every message of the report, with each of the words quoted from it."""
    quotes: dict[UUID, list[str | None]] = {message_id: [] for message_id in _message_ids(report)}
    for quote in evidence.own_evidence(report)["evidence"]:
        quotes.setdefault(UUID(quote["message_id"]), []).append(quote["quote"])
    return [
        TaskEvidence(
            message_id=message_id,
            quote=words,
            href=request.app.url_path_for("get_message", message_id=message_id),
            message=EvidenceMessage.model_validate(messages[message_id]) if message_id in messages else None,
        )
        for message_id, quoted in quotes.items()
        for words in quoted or [None]
    ]
