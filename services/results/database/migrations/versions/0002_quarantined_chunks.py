"""Adds the count of free quarantined chunks of a job. A worker gets one such chunk at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the count."""
    count = sa.Column("quarantined_chunk_count", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("job_progress", count)
    op.execute("""
        UPDATE job_progress SET quarantined_chunk_count = (
            SELECT count(*) FROM chunks c WHERE c.job_id = job_progress.job_id
            AND c.quarantined AND c.lease_incarnation IS NULL AND c.unfinished_count > 0)""")


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError
