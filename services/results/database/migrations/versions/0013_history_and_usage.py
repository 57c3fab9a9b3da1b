"""Adds the history of jobs, the models they name, and the usage of purged jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns, two tables, and the index by which rows to fold are found."""
    # Model that the params name: empty if none, NULL if the job was created before this column.
    op.add_column("jobs", sa.Column("model", sa.Text))
    # Number of the last event of the job.
    op.add_column("job_progress", sa.Column("event_count", sa.BigInteger, nullable=False, server_default="0"))
    _make_job_events()
    _make_usage_history()


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError


def _make_job_events() -> None:
    op.create_table(
        "job_events",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        # When the first and the last of its changes happened, and their number.
        sa.Column("event_time", sa.BigInteger, nullable=False),
        sa.Column("last_time", sa.BigInteger, nullable=False),
        sa.Column("change_count", sa.BigInteger, nullable=False),
        sa.Column("change_type", sa.SmallInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        # Id by which a change that several workers report is noted once; empty for others.
        sa.Column("report_id", sa.Text, nullable=False),
    )


def _make_usage_history() -> None:
    """Creates the table of the usage of purged jobs: one row each, and after a month one for equal jobs."""
    counts = (
        "job_count",
        "succeeded_count",
        "failed_count",
        "call_count",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "cost_micros",
    )
    op.create_table(
        "usage_history",
        sa.Column("tenant", sa.Text, primary_key=True),
        # Day of the jobs' creation, in days since 1970.
        sa.Column("day", sa.BigInteger, primary_key=True),
        # Of a folded row, a digest of what its jobs share.
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        # Canonical JSON, as in jobs; empty if the jobs have none.
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("folded", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counts),
    )
    unfolded = sa.text("NOT folded")
    op.create_index(
        "usage_history_unfolded",
        "usage_history",
        ["day"],
        postgresql_where=unfolded,
        sqlite_where=unfolded,
    )
