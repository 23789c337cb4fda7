"""Counts over everything."""

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.message import Message
from models.proposal import TaskProposal
from models.run import AnalysisRun
from models.values import RunStatus, words


async def runs_by_status(session: AsyncSession) -> dict[str, int]:
    """How many runs are in each state; every state is there."""
    query = select(AnalysisRun.status, func.count()).group_by(col(AnalysisRun.status))
    counted = dict((await session.exec(query)).all())
    return {status: counted.get(status, 0) for status in words(RunStatus)}


async def proposals_pending(session: AsyncSession) -> int:
    query = select(func.count()).select_from(TaskProposal).where(col(TaskProposal.status) == "pending")
    return (await session.exec(query)).one()


async def messages(session: AsyncSession) -> int:
    return (await session.exec(select(func.count()).select_from(Message))).one()
