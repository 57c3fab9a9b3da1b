"""First step of a purge: jobs disappear for all readers and writers at once."""

from collections.abc import Sequence
from functools import partial

from services.results.database.transaction import Transaction
from services.results.metrics import JOBS_PURGED
from services.results.rows.usage_rows import save_usage
from services.shared.logging import get_logger

log = get_logger(__name__)

_INSERT_GONE = """
INSERT INTO watch_gone (tenant, change_xid, job_id, gone_time, kind, labels, state)
SELECT p.tenant, CHANGE_XID(), p.job_id, NOW(), j.kind, j.labels, p.state
FROM ROWS(watched: job_id text)
JOIN job_progress p ON p.job_id = watched.job_id JOIN jobs j ON j.job_id = watched.job_id"""
_INSERT_PURGES = "INSERT INTO purges (job_id) SELECT noted.job_id FROM ROWS(noted: job_id text)"
_DELETE_JOBS = "DELETE FROM jobs WHERE job_id IN (SELECT gone.job_id FROM ROWS(gone: job_id text))"
_DELETE_PROGRESS = (
    "DELETE FROM job_progress WHERE job_id IN (SELECT ended.job_id FROM ROWS(ended: job_id text))"
)


async def delete_jobs(tx: Transaction, job_ids: Sequence[str]) -> None:
    """Deletes locked jobs that are terminal and have no leases.

    Whoever reads or locks such a job later does not find it, and its request_id is free again. ``purge_rows``
    deletes its other rows.
    """
    await tx.flush()  # Writes queued together must not touch the same rows.
    rows = [(job_id,) for job_id in job_ids]
    save_usage(tx, rows)
    tx.later(_INSERT_GONE, watched=rows)
    tx.later(_INSERT_PURGES, noted=rows)
    tx.later(_DELETE_PROGRESS, ended=rows)
    tx.later(_DELETE_JOBS, gone=rows)
    tx.after_commit(partial(_count_purged, len(job_ids)))


def _count_purged(job_count: int) -> None:
    JOBS_PURGED.inc(job_count)
    log.info("jobs_purged", job_count=job_count)
