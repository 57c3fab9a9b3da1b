"""Live numbers of all jobs, from the counters in their rows. Finished jobs are not read."""

from collections.abc import Sequence

from services.results.database.transaction import Transaction

# A job counts with its free chunks, as many as its max_parallelism allows. Those that some items of are
# finished make the number too high, by less than a chunk each.
_ITEMS_WAITING = """
SELECT w.job_class, CAST(sum(LEAST(w.unfinished, w.chunk_size * w.chunk_count)) AS bigint) AS item_count
FROM (
    SELECT p.job_class, p.chunk_size, p.total_count - p.succeeded_count - p.failed_count AS unfinished,
        CASE WHEN COALESCE(p.max_parallelism, j.max_parallelism) = 0
        THEN p.open_chunk_count - p.held_chunk_count - p.leased_chunk_count
        ELSE LEAST(p.open_chunk_count - p.held_chunk_count, COALESCE(p.max_parallelism, j.max_parallelism))
            - p.leased_chunk_count END AS chunk_count
    FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
    WHERE p.leasable AND (p.wake_time IS NULL OR p.wake_time <= (SELECT NOW()))) w
GROUP BY w.job_class"""

# The index begins with the tenant. A subquery in the list of columns has a plan of its own, so it never reads
# the finished jobs. Each tenant with jobs has shares.
_LIVE_JOBS = """
SELECT k.state, CAST(sum((
    SELECT count(*) FROM job_progress p WHERE p.tenant = t.tenant AND p.state = k.state AND p.job_class > 0
    )) AS bigint) AS job_count
FROM (SELECT DISTINCT s.tenant FROM tenant_shares s WHERE s.tenant <> '') t CROSS JOIN ROWS(k: state bigint)
GROUP BY k.state"""


async def count_items_waiting(tx: Transaction) -> dict[int, int]:
    """Returns the items that could be leased now, by class. A class without any is missing."""
    return {row.job_class: row.item_count for row in await tx.run(_ITEMS_WAITING)}


async def count_live_jobs(tx: Transaction, states: Sequence[int]) -> dict[int, int]:
    """Returns the jobs in each of these states, which should not be terminal. A state may be missing."""
    rows = await tx.run(_LIVE_JOBS, k=[(state,) for state in states])
    return {row.state: row.job_count for row in rows}
