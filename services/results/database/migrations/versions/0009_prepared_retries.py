"""Adds retries of selected items that are prepared in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Adds columns, and the index by which a sweep finds the retries."""
    # Round that a retry prepares; 0 if none. Until it is prepared, the round before it is the current one.
    next_round = sa.Column("next_round", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("job_progress", next_round)
    preparing = sa.text("next_round > 0")
    op.create_index(
        "job_progress_preparing",
        "job_progress",
        ["job_id"],
        postgresql_where=preparing,
        sqlite_where=preparing,
    )
    # JSON of what the retry selects; empty if it selects everything. Items before carry_index are carried.
    op.add_column("retry_requests", sa.Column("selection", sa.Text, nullable=False, server_default=""))
    carry_index = sa.Column("carry_index", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("retry_requests", carry_index)


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError
