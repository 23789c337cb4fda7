"""One engine per process, and transactions over it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import copy
from typing import Self

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.ext.asyncio import AsyncSession as SQLAlchemySession
from sqlmodel.ext.asyncio.session import AsyncSession

from db.statements import Connection
from models import tables
from settings import Settings

_OUTAGES = (
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
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
        event.listen(self.engine.sync_engine.pool, "checkout", _refuse_closed)
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

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction of its own, without BEGIN and COMMIT."""
        assert not self._rehearses  # nothing would take it back
        pooled = await self.engine.raw_connection()
        try:
            connection = pooled.driver_connection
            assert connection is not None
            yield connection
        except asyncpg.InternalClientError:
            # The server went away in the middle of a statement, and the driver is still waiting for its end.
            pooled.invalidate(soft=True)
            raise
        finally:
            pooled.close()

    def rehearsal(self) -> "Database":
        """The same database, in which every transaction goes all the way and is then rolled back."""
        rehearsal = copy(self)
        rehearsal._rehearses = True
        return rehearsal

    async def close(self) -> None:
        await self.engine.dispose()


def _refuse_closed(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    """Have the pool open another connection in the place of one that the server has closed, and of all that are as old.

    The driver is told of that when it happens. To ask the server (`pool_pre_ping`) sends three messages a transaction,
    and knows no more: a connection may also be lost a moment after.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError("The server closed the connection.")


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
