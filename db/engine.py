"""One engine per process, and transactions over it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import copy
from typing import Self

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.ext.asyncio import AsyncSession as SQLAlchemySession
from sqlmodel.ext.asyncio.session import AsyncSession

from models import tables
from settings import Settings

_OUTAGES = (
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""What a database says when the same transaction may work a moment later."""


def async_url(dsn: str) -> str:
    """The SQLAlchemy URL of a `postgresql://…` DSN."""
    return dsn.replace("postgresql://", "postgresql+asyncpg://", 1)


assert tables.modules  # imported for its effect: a foreign key to a table that no module imported can't be resolved


class Session(AsyncSession):
    """SQLModel's session, in which `execute` is the way to run SQL that is no model's, and no mistake."""

    execute = SQLAlchemySession.execute  # SQLModel deprecates its own


class Database:
    """The engine and its transactions. Rows stay readable after commit."""

    def __init__(self, dsn: str, *, pool_size: int = 10, connect_seconds: float = 5.0) -> None:
        self.dsn = dsn
        self.engine: AsyncEngine = create_async_engine(
            async_url(dsn),
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # a statement in a log must not carry message text
            pool_pre_ping=True,
            pool_timeout=30,
            connect_args={
                "timeout": connect_seconds,
                "server_settings": {
                    "application_name": "gleaner",
                    "timezone": "UTC",
                    "idle_in_transaction_session_timeout": "60000",
                    "hnsw.iterative_scan": "relaxed_order",  # so that a filter leaves enough of the nearest
                },
            },
        )
        self._rehearses = False
        self._sessions = async_sessionmaker(self.engine, class_=Session, expire_on_commit=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Database":
        return cls(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session in one transaction: committed at the end, rolled back on any error."""
        async with self._sessions() as session, session.begin() as transaction:
            yield session
            if self._rehearses:
                await session.flush()
                session.expunge_all()  # the rollback would empty the rows that the caller has in hand
                await transaction.rollback()

    def rehearsal(self) -> "Database":
        """The same database, in which every transaction goes all the way and is then rolled back."""
        rehearsal = copy(self)
        rehearsal._rehearses = True
        return rehearsal

    async def close(self) -> None:
        await self.engine.dispose()


def is_outage(error: BaseException) -> bool:
    """Whether the database was away or busy, so that trying again may help. Looks through wrapping errors."""
    return any(isinstance(cause, _OUTAGES) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = getattr(cause, "orig", None) or cause.__cause__ or cause.__context__
