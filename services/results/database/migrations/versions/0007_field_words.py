"""Renames columns to the field's words; moves options that only workers read into one opaque column."""

from base64 import b64encode

import sqlalchemy as sa
from alembic import op
from google.protobuf.duration_pb2 import Duration

from headrace.jobs.v1 import jobs_pb2

revision = "0007"
down_revision = "0006"

# table, old name, new name
_COLUMNS = (
    ("results", "try_count", "attempt_count"),
    ("results", "failed_tries", "failed_attempts"),
    ("item_attempts", "try_count", "attempt_count"),
    ("item_attempts", "failed_tries", "failed_attempts"),
    ("job_progress", "stop_as", "stopping_to"),
    ("workers", "limits_apart", "limits_degraded"),
)

# No timeout is negative, so -1 stands for NULL.
_FILL = sa.text("""
UPDATE jobs SET worker_options = :text WHERE COALESCE(item_timeout, -1) = COALESCE(:item, -1)
AND COALESCE(call_timeout, -1) = COALESCE(:call, -1) AND cache_answers = :caches""").bindparams(
    sa.bindparam("item", type_=sa.BigInteger),
    sa.bindparam("call", type_=sa.BigInteger),
    sa.bindparam("caches", type_=sa.Boolean),
)


def upgrade() -> None:
    """Renames a table and columns; moves three options of jobs into worker_options."""
    op.rename_table("item_tries", "item_attempts")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX item_tries_pkey RENAME TO item_attempts_pkey")
    for table, old, new in _COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    # Base64 of a JobOptions message; empty if no such option is set.
    op.add_column("jobs", sa.Column("worker_options", sa.Text, nullable=False, server_default=""))
    _fill_worker_options()
    for name in ("item_timeout", "call_timeout", "cache_answers"):
        op.drop_column("jobs", name)


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError


def _fill_worker_options() -> None:
    connection = op.get_bind()
    options = "item_timeout, call_timeout, cache_answers"
    for row in connection.execute(sa.text(f"SELECT DISTINCT {options} FROM jobs")).fetchall():
        text = _encode(row.item_timeout, row.call_timeout, bool(row.cache_answers))
        if text:
            values = {"text": text, "item": row.item_timeout, "call": row.call_timeout}
            connection.execute(_FILL, values | {"caches": bool(row.cache_answers)})


def _encode(item_timeout: int | None, call_timeout: int | None, caches: bool) -> str:
    options = jobs_pb2.JobOptions(cache_responses=caches)
    for name, length in (("item_timeout", item_timeout), ("call_timeout", call_timeout)):
        if length is not None:
            value = Duration(seconds=length // 1_000_000, nanos=length % 1_000_000 * 1000)
            getattr(options, name).CopyFrom(value)
    return b64encode(options.SerializeToString(deterministic=True)).decode()
