"""The audit."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.auth import Reader
from api.dependencies import Api
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.audit import AuditView
from db import audit
from models.base import AwareTime
from models.values import EntityType

router = APIRouter(prefix="/audit", tags=["audit"], route_class=IdempotentRoute)


@router.get("")
async def list_audit(
    _: Reader,
    resources: Api,
    page: PageQuery,
    entity_type: EntityType | None = None,
    entity_id: UUID | None = None,
    actor: Annotated[str | None, Query(max_length=200, description="The id or the name of who did it.")] = None,
    action: Annotated[str | None, Query(max_length=100)] = None,
    start: Annotated[AwareTime | None, Query(alias="from", description="The earliest time.")] = None,
    end: Annotated[AwareTime | None, Query(alias="to", description="The time before which it was done.")] = None,
) -> Page[AuditView]:
    """Who did what, the newest first: every change of runs, proposals, tasks and configuration."""
    wanted = audit.conditions(
        entity_type=entity_type, entity_id=entity_id, actor=actor, action=action, start=start, end=end
    )
    async with resources.database.transaction() as session:
        found = await audit.listed(session, wanted, after=page.after(datetime, UUID), limit=page.limit + 1)
        total = await audit.count(session, wanted)
    return page.of([AuditView.model_validate(entry) for entry in found], total, key=lambda view: (view.at, view.id))
