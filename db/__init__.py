"""The database: engine, migrations, the outbox, and every query."""
