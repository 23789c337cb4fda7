"""Vectors of the titles of proposals and tasks, for finding what is near in meaning."""

from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from models.columns import text_column

DIMENSIONS = 384


def _vector_column() -> Any:
    return Field(sa_column=Column("vector", HALFVEC(DIMENSIONS), nullable=False))


def _nearest(name: str) -> Index:
    return Index(name, "vector", postgresql_using="hnsw", postgresql_ops={"vector": "halfvec_cosine_ops"})


class ProposalVector(SQLModel, table=True):
    """The vector of a proposal's title, and the title that it is of: where another one stands now, it is old. They are
    a table of their own because a decision writes a proposal's row, and the index of vectors is dear to write."""

    __tablename__ = "proposal_vectors"
    __table_args__ = (_nearest("ix_proposal_vectors_nearest"),)

    proposal_id: UUID = Field(primary_key=True, foreign_key="task_proposals.id", ondelete="CASCADE")
    title: str = text_column()
    vector: list[float] = _vector_column()


class TaskVector(SQLModel, table=True):
    """The same of a task."""

    __tablename__ = "task_vectors"
    __table_args__ = (_nearest("ix_task_vectors_nearest"),)

    task_id: UUID = Field(primary_key=True, foreign_key="tasks.id", ondelete="CASCADE")
    title: str = text_column()
    vector: list[float] = _vector_column()
