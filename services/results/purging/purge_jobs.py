"""The first step of a purge: finished jobs vanish for every reader and writer at once."""

from collections.abc import Sequence
from functools import partial

from services.results.database.database import Database, Transaction
from services.results.metrics import JOBS_PURGED
from services.shared.logging import get_logger

log = get_logger(__name__)

JOBS_AT_ONCE = 200

# The clock is read in a SELECT of its own: once, so that an index ends the search at what may go. A job that
# is under lock is being retried, or gets a late result: it goes another time, or not at all.
_LOCK_FINISHED = """
SELECT p.job_id FROM job_progress p
WHERE p.finish_time <= (SELECT NOW()) - CAST(:kept_for AS bigint) AND p.leased_chunk_count = 0
ORDER BY p.finish_time LIMIT :most FOR UPDATE SKIP LOCKED"""
_NOTE = "INSERT INTO purges (job_id) SELECT noted.job_id FROM ROWS(noted: job_id text)"
_DELETE_JOBS = "DELETE FROM jobs WHERE job_id IN (SELECT gone.job_id FROM ROWS(gone: job_id text))"
_DELETE_PROGRESS = (
    "DELETE FROM job_progress WHERE job_id IN (SELECT ended.job_id FROM ROWS(ended: job_id text))"
)


async def purge_jobs(database: Database, kept_for: int) -> int:
    """Returns how many jobs are gone: some that finished longest ago, at most JOBS_AT_ONCE.

    Who reads or locks one of them from now on finds no such job, and its request_id is free again. Its other
    rows are left for ``purge_rows``. Any number of callers may do this at once: each job goes with one.

    Args:
        database: The database.
        kept_for: How long finished jobs are kept, in microseconds.
    """
    return await database.write(lambda tx: _purge_in(tx, kept_for))


async def _purge_in(tx: Transaction, kept_for: int) -> int:
    rows = await tx.run(_LOCK_FINISHED, {"kept_for": kept_for, "most": JOBS_AT_ONCE})
    if rows:
        job_ids: Sequence[tuple[str]] = [(row.job_id,) for row in rows]
        tx.later(_NOTE, noted=job_ids)
        tx.later(_DELETE_PROGRESS, ended=job_ids)
        tx.later(_DELETE_JOBS, gone=job_ids)
        tx.after_commit(partial(_count_purged, len(job_ids)))
    return len(rows)


def _count_purged(job_count: int) -> None:
    JOBS_PURGED.inc(job_count)
    log.info("jobs_purged", job_count=job_count)
