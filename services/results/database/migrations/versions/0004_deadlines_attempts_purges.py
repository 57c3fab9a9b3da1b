"""Jobs and items have deadlines, failed tries are kept, and finished jobs can be purged."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds columns, and tables and indexes for what sweeps and purges look for."""
    for name in ("job_timeout", "item_timeout", "call_timeout"):  # microseconds; NULL: none
        op.add_column("jobs", sa.Column(name, sa.BigInteger))
    # When a sweep has to end the job; NULL: it has all the time. It stays when the job has ended.
    op.add_column("job_progress", sa.Column("expire_time", sa.BigInteger))
    live = "expire_time IS NOT NULL AND stop_as = 0 AND finish_time IS NULL"
    _index_where(live, "job_progress_expiring", "job_progress", "expire_time")
    # JSON lists of [try number, reason, message]; empty: none.
    op.add_column("results", sa.Column("failed_tries", sa.Text, nullable=False, server_default=""))
    op.add_column("item_tries", sa.Column("failed_tries", sa.Text, nullable=False, server_default=""))
    # Time worked on the item in its tries, in microseconds.
    op.add_column("item_tries", sa.Column("work_time", sa.BigInteger, nullable=False, server_default="0"))
    _index_where("finish_time IS NOT NULL", "job_progress_finished", "job_progress", "finish_time")
    # Jobs whose rows of jobs and job_progress are gone, and whose other rows are still to go.
    op.create_table(
        "purges",
        sa.Column("job_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), primary_key=True),
    )


def downgrade() -> None:
    """Refused: a schema only moves on."""
    raise NotImplementedError


def _index_where(where: str, name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, list(columns), postgresql_where=sa.text(where), sqlite_where=sa.text(where))
