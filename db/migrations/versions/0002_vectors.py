"""Vectors of titles, and what a sweep finds of runs that should have closed."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = """
CREATE EXTENSION IF NOT EXISTS vector;
ALTER TABLE sweep_findings DROP CONSTRAINT ck_sweep_findings_kind;
ALTER TABLE sweep_findings ADD CONSTRAINT ck_sweep_findings_kind CHECK (
    kind IN ('no_workflow', 'needless_workflow', 'unknown_run', 'not_closed', 'counters_disagree')
);
CREATE TABLE proposal_vectors (
    proposal_id UUID NOT NULL PRIMARY KEY REFERENCES task_proposals (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    vector HALFVEC(384) NOT NULL
);
CREATE INDEX ix_proposal_vectors_nearest ON proposal_vectors USING hnsw (vector halfvec_cosine_ops);
CREATE TABLE task_vectors (
    task_id UUID NOT NULL PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    vector HALFVEC(384) NOT NULL
);
CREATE INDEX ix_task_vectors_nearest ON task_vectors USING hnsw (vector halfvec_cosine_ops)
"""


def upgrade() -> None:
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
