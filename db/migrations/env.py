"""What Alembic runs: the migrations, on the connection that `db.migrate` opened."""

from alembic import context
from sqlalchemy import Connection

from models.tables import metadata

connection = context.config.attributes["connection"]
assert isinstance(connection, Connection)
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
