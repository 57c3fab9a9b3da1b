"""Adds names and labels of jobs, and the order of changes by which many jobs are watched."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

# Sorted by bytes, not by the rules of a language.
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns, tables and indexes."""
    op.add_column("jobs", sa.Column("name", sa.Text, nullable=False, server_default=""))
    # Canonical JSON; empty if the job has none.
    op.add_column("jobs", sa.Column("labels", sa.Text, nullable=False, server_default=""))
    # Counts the updates of the row of jobs. A transaction that waited for the lock of job_progress reads the
    # row of jobs as it was before the wait. A greater number in job_progress then makes it read again.
    for table in ("jobs", "job_progress"):
        op.add_column(table, sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"))
    # The seq of the last change, and the transaction that made it; 0 if it was made before this migration.
    op.add_column("job_progress", sa.Column("change_seq", sa.BigInteger, nullable=False, server_default="1"))
    op.add_column("job_progress", sa.Column("change_xid", sa.BigInteger, nullable=False, server_default="0"))
    _index_where("name <> ''", "jobs_name", "jobs", "tenant", "name", "job_id")
    _index_where("change_xid > 0", "job_progress_changes", "job_progress", "tenant", "change_xid", "job_id")
    _make_job_labels()
    _make_watch_gone()
    _make_store_state()
    if op.get_bind().dialect.name == "sqlite":
        _count_changes()


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError


def _make_job_labels() -> None:
    """Creates the table by which jobs are found by their labels."""
    op.create_table(
        "job_labels",
        sa.Column("tenant", _ID, primary_key=True),
        sa.Column("key", _ID, primary_key=True),
        sa.Column("value", _ID, primary_key=True),
        sa.Column("job_id", _ID, primary_key=True),
    )
    # For statements with this condition only: PostgreSQL must not search for labels by a range of jobs.
    _index_where("key >= ''", "job_labels_job", "job_labels", "job_id")


def _make_watch_gone() -> None:
    """Creates the table of jobs that were purged or deleted lately, for those who watch jobs."""
    op.create_table(
        "watch_gone",
        sa.Column("tenant", _ID, primary_key=True),
        sa.Column("change_xid", sa.BigInteger, primary_key=True),
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("gone_time", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
    )
    op.create_index("watch_gone_time", "watch_gone", ["gone_time"])


def _make_store_state() -> None:
    """Creates the table with the one row about this database."""
    store_state = op.create_table(
        "store_state",
        sa.Column("state_id", sa.SmallInteger, primary_key=True),
        # Changes after a restore from a dump: positions of watches from before it are void.
        sa.Column("store_id", sa.Text, nullable=False),
        # The database that the store_id was made for. Empty until the first start.
        sa.Column("database_identity", sa.Text, nullable=False),
        # Greatest change_xid of the rows of watch_gone that are deleted.
        sa.Column("gone_xid", sa.BigInteger, nullable=False),
        # SQLite only: number of changes.
        sa.Column("change_count", sa.BigInteger, nullable=False),
    )
    row = {"state_id": 1, "store_id": uuid.uuid4().hex, "database_identity": ""}
    op.bulk_insert(store_state, [row | {"gone_xid": 0, "change_count": 0}])


def _count_changes() -> None:
    """Lets SQLite count the changes, without a statement of its own for each."""
    count = "BEGIN UPDATE store_state SET change_count = change_count + 1; END"
    changed = "UPDATE OF change_xid ON job_progress WHEN NEW.change_xid <> OLD.change_xid"
    for name, event in {
        "changed": changed,
        "created": "INSERT ON job_progress",
        "gone": "INSERT ON watch_gone",
    }.items():
        op.get_bind().execute(sa.text(f"CREATE TRIGGER count_{name} AFTER {event} {count}"))


def _index_where(where: str, name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, list(columns), postgresql_where=sa.text(where), sqlite_where=sa.text(where))
