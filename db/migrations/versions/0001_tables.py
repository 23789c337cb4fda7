"""The first tables, in the SQL file beside this one."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text()
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(statement)
