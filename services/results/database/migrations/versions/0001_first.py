"""The first schema.

Instants are microseconds since 1970 by the database's clock. Job ids are UUIDv7 in canonical form, so they
sort by age. There are no foreign keys: everything about a job is written under the lock of its job_progress
row.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Sorted by bytes, not by the rules of a language.
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Creates all tables."""
    _make_jobs()
    _make_job_progress()
    _make_item_blocks()
    _make_chunks()
    _make_item_tries()
    _make_results()
    _make_workers()
    _make_small_tables()
    if op.get_bind().dialect.name == "postgresql":
        # These rows are updated often: leave space for their next version on the same page.
        for table in ("job_progress", "chunks", "workers", "tenant_shares", "sweeps"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)")


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError


def _make_jobs() -> None:
    """Creates the table of a job's facts that never change."""
    op.create_table(
        "jobs",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("job_class", sa.SmallInteger, nullable=False),
        sa.Column("max_failed_ratio", sa.Double, nullable=False),
        sa.Column("max_parallelism", sa.Integer, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("schedule_time", sa.BigInteger),
    )
    op.create_index("jobs_request", "jobs", ["tenant", "request_id"], unique=True)


def _make_job_progress() -> None:
    """Creates the table of a job's changing facts.

    state, leasable and wake_time are computed from the other facts, for the indexes.
    """
    op.create_table(
        "job_progress",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("job_class", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        *_counts(
            "total_count",
            "succeeded_count",
            "failed_count",
            "call_count",
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "cost_micros",
        ),
        sa.Column("upload_open", sa.Boolean, nullable=False),
        sa.Column("pause_reason", sa.SmallInteger, nullable=False),
        sa.Column("waiting_parent_count", sa.Integer, nullable=False),
        # Terminal state that the job is on its way to; 0 if none.
        sa.Column("stop_as", sa.SmallInteger, nullable=False),
        sa.Column("error_reason", sa.Text, nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        # Nothing is leased before it; 0 if there is no such wait.
        sa.Column("not_before", sa.BigInteger, nullable=False),
        # When a sweep must look at the job; NULL if it waits for nothing.
        sa.Column("wake_time", sa.BigInteger),
        # Whether it has a chunk to lease, apart from waits.
        sa.Column("leasable", sa.Boolean, nullable=False),
        # Number of chunks: all, with unfinished items, leased. Maximum items of one chunk.
        *_counts("chunk_count", "open_chunk_count", "leased_chunk_count", "chunk_size"),
        sa.Column("has_deferrals", sa.Boolean, nullable=False),
        sa.Column("virtual_time", sa.BigInteger, nullable=False),
        sa.Column("start_time", sa.BigInteger),
        sa.Column("finish_time", sa.BigInteger),
    )
    _index_where("job_class > 0", "job_progress_newest", "job_progress", "tenant", "job_id")
    _index_where("job_class > 0", "job_progress_states", "job_progress", "tenant", "state", "job_id")
    leasable = ("job_class", "tenant", "virtual_time", "job_id")
    _index_where("leasable", "job_progress_leasable", "job_progress", *leasable)
    _index_where("wake_time IS NOT NULL", "job_progress_waiting", "job_progress", "wake_time")


def _make_item_blocks() -> None:
    """Creates the table of inputs: JSON lists of the items' JSON texts as strings, returned byte for byte."""
    op.create_table(
        "item_blocks",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("first_index", sa.BigInteger, primary_key=True),
        sa.Column("item_count", sa.Integer, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
    )


def _make_chunks() -> None:
    """Creates the table of chunks. A chunk without unfinished items is closed."""
    op.create_table(
        "chunks",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("chunk_index", sa.BigInteger, primary_key=True),
        sa.Column("first_index", sa.BigInteger, nullable=False),
        sa.Column("item_count", sa.Integer, nullable=False),
        sa.Column("block_first_index", sa.BigInteger, nullable=False),
        sa.Column("input_bytes", sa.BigInteger, nullable=False),
        sa.Column("unfinished_count", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("lease_incarnation", sa.Text),
        sa.Column("lease_call_id", sa.Text),
        sa.Column("lease_time", sa.BigInteger),
        sa.Column("due_time", sa.BigInteger, nullable=False),
        sa.Column("loss_count", sa.Integer, nullable=False),
        sa.Column("quarantined", sa.Boolean, nullable=False),
        sa.Column("quarantine_loss_count", sa.Integer, nullable=False),
    )
    _index_where("first_index >= 0", "chunks_range", "chunks", "job_id", "first_index")
    free = "lease_incarnation IS NULL AND unfinished_count > 0"
    _index_where(free, "chunks_open", "chunks", "job_id", "due_time", "chunk_index")
    leased = "lease_incarnation IS NOT NULL"
    _index_where(leased, "chunks_leased", "chunks", "lease_incarnation", "job_id")


def _make_item_tries() -> None:
    """Creates the table of items that wait for another attempt, with the usage of their attempts."""
    op.create_table(
        "item_tries",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("item_index", sa.BigInteger, primary_key=True),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("try_count", sa.Integer, nullable=False),
        sa.Column("due_time", sa.BigInteger, nullable=False),
        *_usage(),
        sa.Column("error_reason", sa.Text, nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
    )


def _make_results() -> None:
    """Creates the insert-only table of results. A success has round 0, a failure its round."""
    op.create_table(
        "results",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("item_index", sa.BigInteger, primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("output_bytes", sa.Integer, nullable=False),
        sa.Column("error_reason", sa.Text, nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("try_count", sa.Integer, nullable=False),
        *_usage(),
        sa.Column("finish_time", sa.BigInteger, nullable=False),
    )
    _index_where("seq > 0", "results_seq", "results", "job_id", "seq")


def _make_workers() -> None:
    """Creates the table of workers. Live ones are neither ended (replaced or drained) nor dead (silent)."""
    op.create_table(
        "workers",
        sa.Column("incarnation", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("start_time", sa.BigInteger, nullable=False),
        sa.Column("heartbeat_time", sa.BigInteger, nullable=False),
        sa.Column("alive_until", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("dead", sa.Boolean, nullable=False),
        *_counts("in_flight_count", "in_flight_limit", "leased_item_count"),
    )
    op.create_index("workers_address", "workers", ["address"])


def _make_small_tables() -> None:
    # The row of tenant '' holds the virtual time of the class itself.
    op.create_table(
        "tenant_shares",
        sa.Column("job_class", sa.SmallInteger, primary_key=True),
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("virtual_time", sa.BigInteger, nullable=False),
        sa.Column("job_clock", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "retry_requests",
        sa.Column("job_id", _ID, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("round", sa.Integer, nullable=False),
    )
    sweeps = op.create_table(
        "sweeps",
        sa.Column("sweep_id", sa.SmallInteger, primary_key=True),
        sa.Column("sweep_time", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(sweeps, [{"sweep_id": 1, "sweep_time": 0}])


def _index_where(where: str, name: str, table: str, *columns: str) -> None:
    """Creates a partial index, for the statements that have its condition in their WHERE.

    A condition that all rows meet keeps the planner from using the index for a look-up by primary key. While
    a table is small the two cost the same, and a plan made then is kept when the table has grown.
    """
    op.create_index(name, table, list(columns), postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def _usage() -> Sequence[sa.Column[int]]:
    return _counts("call_count", "input_tokens", "output_tokens", "cached_tokens", "cost_micros")


def _counts(*names: str) -> Sequence[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
