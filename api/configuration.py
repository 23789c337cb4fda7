"""What the routers of configuration share."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel

from api.dependencies import Resources
from api.paging import Page, PageRequest
from db.records import Records, Row

View = TypeVar("View", bound=BaseModel)


async def page_of(
    resources: Resources, page: PageRequest, records: Records[Row], view: Callable[[Row], View]
) -> Page[View]:
    """The wanted part of all rows, the newest first."""
    after = page.after(datetime, UUID)
    async with resources.database.transaction() as session:
        found = await records.listed(session, after=after, limit=page.limit + 1)
        total = await records.count(session)
    shown = page.of(found, total, key=lambda row: (row.created_at, row.id))
    return Page(items=[view(row) for row in shown.items], next_cursor=shown.next_cursor, total=shown.total)
