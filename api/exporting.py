"""Exports as downloads, put together in a file that is gone when they are sent."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

from anyio import SpooledTemporaryFile
from fastapi import Query
from sqlalchemy import ColumnElement
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.export_formats import ENDINGS, MEDIA_TYPES, Format, Item, Quote, writer
from api.schemas.task import TaskView
from db import exporting, proposals
from db.engine import Database
from models.base import now
from models.message import Message
from models.proposal import TaskProposal
from models.proposal_views import ProposalView

Kind = Literal["tasks", "proposals"]
FormatQuery = Annotated[Format, Query(alias="format", description="What to write.")]
Wanted = Sequence[ColumnElement[bool]]
_Document = SpooledTemporaryFile[bytes]

KEPT_IN_MEMORY = 1 << 20
"""Bytes of a document from which on it is on disk."""
PIECE = 1 << 16
"""Bytes sent at once."""

DOCUMENT = {
    "content": {
        "text/csv": {"schema": {"type": "string"}},
        "application/x-ndjson": {"schema": {"type": "string"}},
        "text/markdown": {"schema": {"type": "string"}},
    },
    "description": "The document, as an attachment.",
}
"""The reply in the OpenAPI document."""


class Download(StreamingResponse):
    """Sends a document piece by piece, and forgets it when it is sent or the client goes away."""

    def __init__(self, document: _Document, size: int, kind: Kind, format_: Format) -> None:
        self._document = document
        name = f"gleaner-{kind}-{now():%Y-%m-%d}.{ENDINGS[format_]}"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(size),
            "Cache-Control": "no-store",
        }
        super().__init__(_pieces(document), media_type=MEDIA_TYPES[format_], headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._document.aclose()


async def download(database: Database, kind: Kind, wanted: Wanted, format_: Format) -> Download:
    """The export of what is wanted. It is put together before its first byte is sent: a client that reads slowly holds
    a file and no connection to the database, and an error is a problem like any other."""
    document = SpooledTemporaryFile[bytes](max_size=KEPT_IN_MEMORY)
    try:
        async for part in _parts(database, kind, wanted, format_):
            await document.write(part.encode())
        size = await document.tell()
        await document.seek(0)
    except BaseException:
        await document.aclose()
        raise
    return Download(document, size, kind, format_)


async def _parts(database: Database, kind: Kind, wanted: Wanted, format_: Format) -> AsyncIterator[str]:
    written = writer(kind, format_)
    read = _tasks if kind == "tasks" else _proposals
    async with exporting.snapshot(database) as session:
        yield written.begin()
        async for items in read(session, wanted, quoting=format_ == "markdown"):
            yield written.part(items)


async def _pieces(document: _Document) -> AsyncIterator[bytes]:
    while piece := await document.read(PIECE):
        yield piece


async def _tasks(session: AsyncSession, wanted: Wanted, *, quoting: bool) -> AsyncIterator[Sequence[Item]]:
    async for part in exporting.tasks(session, wanted):
        origins = await exporting.origins(session, [task.id for task, _ in part]) if quoting else {}
        messages = await _messages(session, list(origins.values()))
        yield [
            Item(
                TaskView.model_validate(task),
                project or "Without a project",
                _quotes(origins[task.id], messages) if task.id in origins else (),
            )
            for task, project in part
        ]


async def _proposals(session: AsyncSession, wanted: Wanted, *, quoting: bool) -> AsyncIterator[Sequence[Item]]:
    async for part in exporting.proposals(session, wanted):
        messages = await _messages(session, [proposal for proposal, _ in part]) if quoting else {}
        yield [
            Item(
                ProposalView.model_validate(proposal),
                f"Run {run.id}, {run.time_window_start:%Y-%m-%d %H:%M} to {run.time_window_end:%Y-%m-%d %H:%M} UTC",
                _quotes(proposal, messages),
            )
            for proposal, run in part
        ]


async def _messages(session: AsyncSession, quoted: Sequence[TaskProposal]) -> Mapping[UUID, Message]:
    return await proposals.messages_of(
        session, [UUID(quote["message_id"]) for proposal in quoted for quote in proposal.evidence]
    )


def _quotes(proposal: TaskProposal, messages: Mapping[UUID, Message]) -> list[Quote]:
    """The words of the evidence whose messages are still there."""
    return [
        Quote(messages[UUID(quote["message_id"])].author, messages[UUID(quote["message_id"])].sent_at, quote["quote"])
        for quote in proposal.evidence
        if UUID(quote["message_id"]) in messages
    ]
