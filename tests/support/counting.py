"""How many statements a database is sent: BEGIN, COMMIT and ROLLBACK among them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from db.engine import Database


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are sent while the block runs, on connections that are opened in it."""
    sent: list[str] = []

    def sent_by_the_driver(record: Any) -> None:
        sent.append(record.query)

    def connected(connection: Any, _record: object) -> None:
        connection.driver_connection.add_query_logger(sent_by_the_driver)

    def sent_by_sqlalchemy(
        _connection: object, _cursor: object, query: str, values: Any, _: object, many: bool
    ) -> None:
        sent.extend([query] * (len(values) if many else 1))

    pool, engine = database.engine.sync_engine.pool, database.engine.sync_engine
    listened = ((pool, "connect", connected), (engine, "before_cursor_execute", sent_by_sqlalchemy))
    for target, name, listener in listened:
        event.listen(target, name, listener)
    try:
        yield sent
    finally:
        for target, name, listener in listened:
            event.remove(target, name, listener)
