"""What the clock said where a message was written: "tomorrow" is a day later in the east."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE messages ADD COLUMN utc_offset smallint NOT NULL DEFAULT 0")
    # NOT VALID: every row has the default, and nobody has to wait until all have been looked at.
    op.execute(
        "ALTER TABLE messages ADD CONSTRAINT ck_messages_utc_offset CHECK (utc_offset BETWEEN -1439 AND 1439) NOT VALID"
    )
    op.execute("ALTER TABLE messages VALIDATE CONSTRAINT ck_messages_utc_offset")
