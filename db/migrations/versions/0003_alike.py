"""Indexes that give the titles most like a new one first, whatever the number of those that are somewhat like it."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = """
DROP INDEX ix_task_proposals_title_trgm;
CREATE INDEX ix_task_proposals_title_alike ON task_proposals USING gist (proposed_title gist_trgm_ops(siglen=64));
CREATE INDEX ix_tasks_title_alike ON tasks USING gist (title gist_trgm_ops(siglen=64))
"""


def upgrade() -> None:
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
