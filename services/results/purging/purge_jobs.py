"""Purges finished jobs whose retention is over."""

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows.deleted_jobs import delete_jobs

MAX_JOBS_PER_TRANSACTION = 200

# The clock is read once, in a SELECT of its own, so that an index ends the search at the last job to purge. A
# locked job is being retried, or gets a late result: a later purge takes it, or none does.
_LOCK = """
SELECT p.job_id FROM job_progress p
WHERE {due} AND p.finish_time IS NOT NULL AND p.leased_chunk_count = 0
ORDER BY {order} LIMIT :limit FOR UPDATE SKIP LOCKED"""
# Each repeats the condition of its index; otherwise the index would not be used.
_LOCK_FINISHED = _LOCK.format(
    due="""p.retention IS NULL
AND p.finish_time <= (SELECT NOW()) - CAST(:retention_micros AS bigint)""",
    order="p.finish_time",
)
_LOCK_DUE = _LOCK.format(
    due="""p.retention IS NOT NULL
AND p.finish_time + p.retention <= (SELECT NOW())""",
    order="p.finish_time + p.retention",
)


async def purge_jobs(database: Database, retention_micros: int) -> int:
    """Purges the jobs whose retention is over, at most MAX_JOBS_PER_TRANSACTION of them.

    Their usage still counts. Any number of callers may run this at once: each job is purged by one of them.

    Args:
        database: The database.
        retention_micros: Retention of jobs without one of their own, in microseconds. 0 keeps them for ever.

    Returns:
        The number of purged jobs.
    """
    return await database.write(lambda tx: _purge_in(tx, retention_micros))


async def _purge_in(tx: Transaction, retention_micros: int) -> int:
    rows = list(await tx.run(_LOCK_DUE, {"limit": MAX_JOBS_PER_TRANSACTION}))
    if retention_micros and len(rows) < MAX_JOBS_PER_TRANSACTION:
        plain = {"retention_micros": retention_micros, "limit": MAX_JOBS_PER_TRANSACTION - len(rows)}
        rows += await tx.run(_LOCK_FINISHED, plain)
    if rows:
        await delete_jobs(tx, [row.job_id for row in rows])
    return len(rows)
