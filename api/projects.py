"""Projects."""

from uuid import UUID

from fastapi import APIRouter, status

from api.auth import Admin, Reader
from api.configuration import page_of
from api.dependencies import Api
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.project import ProjectCreate, ProjectPatch, ProjectView
from db.records import Records
from models.project import ProjectConfig

router = APIRouter(prefix="/projects", tags=["projects"], route_class=IdempotentRoute)
_projects = Records(ProjectConfig, "project")

_VERSIONED = ("keywords", "glossary", "components", "priority_rules")
"""What a run sees of a project."""


@router.get("")
async def list_projects(_: Reader, resources: Api, page: PageQuery) -> Page[ProjectView]:
    """Projects, the newest first."""
    return await page_of(resources, page, _projects, ProjectView.model_validate)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_project(body: ProjectCreate, actor: Admin, resources: Api) -> ProjectView:
    """Add a project, in version 1.0.0. 409 `duplicate_name`."""
    async with resources.database.transaction() as session:
        return ProjectView.model_validate(await _projects.add(session, ProjectConfig(**body.model_dump()), actor))


@router.get("/{project_id}")
async def get_project(project_id: UUID, _: Reader, resources: Api) -> ProjectView:
    """The project; 404 `project_not_found`."""
    async with resources.database.transaction() as session:
        return ProjectView.model_validate(await _projects.get(session, project_id))


@router.patch("/{project_id}")
async def change_project(project_id: UUID, body: ProjectPatch, actor: Admin, resources: Api) -> ProjectView:
    """Change the fields named. New keywords, glossary, components or priority rules raise the minor version.

    404 `project_not_found`; 409 `duplicate_name`.
    """
    values = body.named()
    async with resources.database.transaction() as session:
        row = await _projects.lock(session, project_id)
        if any(name in values and values[name] != getattr(row, name) for name in _VERSIONED):
            values["version"] = next_minor(row.version)
        return ProjectView.model_validate(await _projects.change(session, row, values, actor))


@router.delete("/{project_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_project(project_id: UUID, actor: Admin, resources: Api) -> None:
    """Remove a project without runs, proposals and tasks. 404 `project_not_found`; 409 `in_use`."""
    async with resources.database.transaction() as session:
        await _projects.remove(session, project_id, actor)


def next_minor(version: str) -> str:
    """`1.2.3` → `1.3.0`."""
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"
