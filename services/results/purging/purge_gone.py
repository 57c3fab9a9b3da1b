"""Deletes the notes about jobs that have been gone for a week."""

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows.worker_rows import SECOND

MAX_ROWS_PER_TRANSACTION = 1_000
# Time for which a watch of many jobs can be resumed without missing a deletion, in microseconds.
KEPT_FOR = 7 * 86_400 * SECOND

_FIND = """
SELECT g.tenant, g.change_xid, g.job_id FROM watch_gone g
WHERE g.gone_time <= (SELECT NOW()) - CAST(:kept_for AS bigint)
ORDER BY g.gone_time LIMIT :limit FOR UPDATE SKIP LOCKED"""
_DELETE = """
DELETE FROM watch_gone WHERE (tenant, change_xid, job_id) IN (
    SELECT old.tenant, old.change_xid, old.job_id
    FROM ROWS(old: tenant text, change_xid bigint, job_id text))"""
# In the same transaction, so that no position looks valid after a deletion that it has not seen is forgotten.
_REMEMBER = "UPDATE store_state SET gone_xid = GREATEST(gone_xid, :deleted_xid)"


async def purge_gone(database: Database) -> int:
    """Deletes old rows of watch_gone, at most MAX_ROWS_PER_TRANSACTION of them.

    Positions of watches from before these rows are void from then on.

    Returns:
        The number of deleted rows.
    """
    return await database.write(_purge_in)


async def _purge_in(tx: Transaction) -> int:
    rows = await tx.run(_FIND, {"kept_for": KEPT_FOR, "limit": MAX_ROWS_PER_TRANSACTION})
    if rows:
        tx.later(_DELETE, old=[(row.tenant, row.change_xid, row.job_id) for row in rows])
        tx.later(_REMEMBER, {"deleted_xid": max(row.change_xid for row in rows)})
    return len(rows)
