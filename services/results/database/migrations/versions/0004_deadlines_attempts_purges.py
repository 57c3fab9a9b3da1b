"""Adds deadlines of jobs and items, failed tries, and the purge of finished jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds columns, and the tables and indexes for sweeps and purges."""
    for name in ("job_timeout", "item_timeout", "call_timeout"):  # Microseconds; NULL if none.
        op.add_column("jobs", sa.Column(name, sa.BigInteger))
    # When a sweep must end the job; NULL if it has no deadline. It stays after the end of the job.
    op.add_column("job_progress", sa.Column("expire_time", sa.BigInteger))
    live = "expire_time IS NOT NULL AND stop_as = 0 AND finish_time IS NULL"
    _index_where(live, "job_progress_expiring", "job_progress", "expire_time")
    # JSON lists of [try number, reason, message]; empty if none.
    op.add_column("results", sa.Column("failed_tries", sa.Text, nullable=False, server_default=""))
    op.add_column("item_tries", sa.Column("failed_tries", sa.Text, nullable=False, server_default=""))
    # Time spent on the item in its tries, in microseconds.
    op.add_column("item_tries", sa.Column("work_time", sa.BigInteger, nullable=False, server_default="0"))
    _index_where("finish_time IS NOT NULL", "job_progress_finished", "job_progress", "finish_time")
    # Jobs whose rows of jobs and job_progress are deleted, and whose other rows are not yet.
    op.create_table(
        "purges",
        sa.Column("job_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), primary_key=True),
    )


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError


def _index_where(where: str, name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, list(columns), postgresql_where=sa.text(where), sqlite_where=sa.text(where))
