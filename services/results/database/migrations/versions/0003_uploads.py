"""Adds the expiry of uploads, the trace of jobs, and the order of recording of results."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds two columns, and an index for each of the two new searches."""
    op.add_column("jobs", sa.Column("trace_id", sa.Text, nullable=False, server_default=""))
    # When a sweep must end the job; NULL if no upload is open. It is separate from wake_time, before which
    # nothing is leased: the items of an upload are worked on while more arrive.
    op.add_column("job_progress", sa.Column("upload_expire_time", sa.BigInteger))
    _index_where(
        "upload_expire_time IS NOT NULL", "job_progress_uploading", "job_progress", "upload_expire_time"
    )
    # It replaces results_seq. All rows meet the condition, which reserves the index for the one search that
    # has it too. The condition is not on seq, because SQLite would use that as the start of the search.
    _index_where("item_index >= 0", "results_recorded", "results", "job_id", "seq", "item_index")
    op.drop_index("results_seq", "results")


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError


def _index_where(where: str, name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, list(columns), postgresql_where=sa.text(where), sqlite_where=sa.text(where))
