"""First step of a purge: finished jobs disappear for all readers and writers at once."""

from collections.abc import Sequence
from functools import partial

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.metrics import JOBS_PURGED
from services.results.rows.usage_rows import save_usage
from services.shared.logging import get_logger

log = get_logger(__name__)

MAX_JOBS_PER_TRANSACTION = 200

# The clock is read once, in a SELECT of its own, so that an index ends the search at the last job to purge. A
# locked job is being retried, or gets a late result: a later purge takes it, or none does.
_LOCK_FINISHED = """
SELECT p.job_id FROM job_progress p
WHERE p.finish_time <= (SELECT NOW()) - CAST(:retention_micros AS bigint) AND p.leased_chunk_count = 0
ORDER BY p.finish_time LIMIT :limit FOR UPDATE SKIP LOCKED"""
_INSERT_PURGES = "INSERT INTO purges (job_id) SELECT noted.job_id FROM ROWS(noted: job_id text)"
_DELETE_JOBS = "DELETE FROM jobs WHERE job_id IN (SELECT gone.job_id FROM ROWS(gone: job_id text))"
_DELETE_PROGRESS = (
    "DELETE FROM job_progress WHERE job_id IN (SELECT ended.job_id FROM ROWS(ended: job_id text))"
)


async def purge_jobs(database: Database, retention_micros: int) -> int:
    """Purges the jobs that finished longest ago, at most MAX_JOBS_PER_TRANSACTION of them.

    Whoever reads or locks a purged job later does not find it, and its request_id is free again. Its usage
    still counts, without the results that arrive later.
    ``purge_rows`` deletes its other rows. Any number of callers may run this at once: each job is purged by
    one of them.

    Args:
        database: The database.
        retention_micros: Retention of finished jobs, in microseconds.

    Returns:
        The number of purged jobs.
    """
    return await database.write(lambda tx: _purge_in(tx, retention_micros))


async def _purge_in(tx: Transaction, retention_micros: int) -> int:
    rows = await tx.run(
        _LOCK_FINISHED, {"retention_micros": retention_micros, "limit": MAX_JOBS_PER_TRANSACTION}
    )
    if rows:
        job_ids: Sequence[tuple[str]] = [(row.job_id,) for row in rows]
        save_usage(tx, job_ids)
        tx.later(_INSERT_PURGES, noted=job_ids)
        tx.later(_DELETE_PROGRESS, ended=job_ids)
        tx.later(_DELETE_JOBS, gone=job_ids)
        tx.after_commit(partial(_count_purged, len(job_ids)))
    return len(rows)


def _count_purged(job_count: int) -> None:
    JOBS_PURGED.inc(job_count)
    log.info("jobs_purged", job_count=job_count)
