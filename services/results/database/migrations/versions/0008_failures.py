"""Adds the provider's words in errors, and the count of failures that a round did not run again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Adds columns."""
    for table in ("job_progress", "results", "item_attempts"):
        op.add_column(table, sa.Column("error_detail", sa.Text, nullable=False, server_default=""))
    carried = sa.Column("carried_count", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("job_progress", carried)


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError
