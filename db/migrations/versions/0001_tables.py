"""The first tables, and the triggers that guard them, in the SQL files beside this one."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

_BESIDE = Path(__file__).parent


def upgrade() -> None:
    _run("0001_tables.sql", between=";\n")
    _run("0001_triggers.sql", between="\n\n")  # the body of a function holds semicolons, and no empty line


def _run(name: str, *, between: str) -> None:
    for statement in (_BESIDE / name).read_text().split(between):
        if statement.strip():
            op.execute(statement)
