"""Sources."""

from uuid import UUID

from fastapi import APIRouter, status

from api.auth import Admin, Reader
from api.configuration import page_of
from api.dependencies import Api
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.source import SourceCreate, SourcePatch, SourceView
from db.records import Records
from models.source import Source

router = APIRouter(prefix="/sources", tags=["sources"], route_class=IdempotentRoute)
_sources = Records(Source, "source")


@router.get("")
async def list_sources(_: Reader, resources: Api, page: PageQuery) -> Page[SourceView]:
    """Sources, the newest first."""
    return await page_of(resources, page, _sources, SourceView.model_validate)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_source(body: SourceCreate, actor: Admin, resources: Api) -> SourceView:
    """Add a source. Messages make the source that they name by themselves. 409 `duplicate_name`."""
    async with resources.database.transaction() as session:
        return SourceView.model_validate(await _sources.add(session, Source(**body.model_dump()), actor))


@router.get("/{source_id}")
async def get_source(source_id: UUID, _: Reader, resources: Api) -> SourceView:
    """The source; 404 `source_not_found`."""
    async with resources.database.transaction() as session:
        return SourceView.model_validate(await _sources.get(session, source_id))


@router.patch("/{source_id}")
async def change_source(source_id: UUID, body: SourcePatch, actor: Admin, resources: Api) -> SourceView:
    """Change the fields named. 404 `source_not_found`; 409 `duplicate_name`."""
    async with resources.database.transaction() as session:
        row = await _sources.lock(session, source_id)
        return SourceView.model_validate(await _sources.change(session, row, body.named(), actor))


@router.delete("/{source_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_source(source_id: UUID, actor: Admin, resources: Api) -> None:
    """Remove a source without messages. 404 `source_not_found`; 409 `in_use`."""
    async with resources.database.transaction() as session:
        await _sources.remove(session, source_id, actor)
