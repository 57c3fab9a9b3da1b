"""Adds trials, changes of jobs, their own retention, and deletion on request."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Adds columns, and the indexes by which the purger finds jobs."""
    _add_trials()
    _add_updates()
    # In microseconds; NULL if the job has that of the service.
    op.add_column("job_progress", sa.Column("retention", sa.BigInteger))
    _index_finished("job_progress_purging", "retention IS NULL", "finish_time")
    _index_finished("job_progress_own_purging", "retention IS NOT NULL", "(finish_time + retention)")
    # Whether the transition that ends the job deletes it too.
    wanted = sa.Column("delete_wanted", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("job_progress", wanted)


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError


def _add_trials() -> None:
    # Number of items of the trial; NULL if there is none, or once it is over.
    op.add_column("job_progress", sa.Column("trial_end", sa.BigInteger))
    # Unfinished chunks behind the trial.
    _add_count("job_progress", "held_chunk_count")
    # When the job was paused for its trial; NULL if it is not.
    op.add_column("job_progress", sa.Column("trial_pause_time", sa.BigInteger))
    # JSON list: items, and low, mean and high sum of their costs; empty if there is none.
    op.add_column("job_progress", sa.Column("trial_forecast", sa.Text, nullable=False, server_default=""))
    # Round that was paused for failures; 0 if none was.
    _add_count("job_progress", "failures_round")


def _add_updates() -> None:
    # Present values of facts in jobs, whose rows never change. NULL: as in jobs. 0: none.
    op.add_column("job_progress", sa.Column("max_parallelism", sa.BigInteger))
    op.add_column("job_progress", sa.Column("job_timeout", sa.BigInteger))
    # Time from which job_timeout counts; NULL: from create_time or schedule_time.
    op.add_column("job_progress", sa.Column("deadline_base", sa.BigInteger))


def _add_count(table: str, name: str) -> None:
    op.add_column(table, sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))


def _index_finished(name: str, where: str, value: str) -> None:
    condition = sa.text(f"finish_time IS NOT NULL AND {where}")
    op.create_index(
        name, "job_progress", [sa.text(value)], postgresql_where=condition, sqlite_where=condition
    )
