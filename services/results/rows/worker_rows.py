"""Rows of workers."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from services.results.database.transaction import Transaction
from services.stubs.results.v1 import results_pb2

SECOND = 1_000_000
ALIVE_FOR = 30 * SECOND
SILENT_AFTER = 5 * SECOND

COLUMNS = (
    "w.incarnation, w.address, w.start_time, w.heartbeat_time, w.alive_until, w.ended, w.dead, "
    "w.in_flight_count, w.in_flight_limit, w.leased_item_count, w.limits_degraded, "
    "w.items_per_second, w.tokens_per_second, w.limited_count, w.cooldown_seconds"
)
LIVE = "NOT w.ended AND NOT w.dead"

_WITH_LEASES = """
SELECT k.job_id, w.incarnation, w.address FROM ROWS(k: job_id text) CROSS JOIN workers w
WHERE EXISTS (SELECT 1 FROM chunks c WHERE c.lease_incarnation = w.incarnation AND c.job_id = k.job_id)"""
_LISTED = f"""
SELECT {COLUMNS} FROM workers w WHERE w.heartbeat_time > NOW() - :since
ORDER BY w.ended OR w.dead, w.start_time, w.incarnation"""
_ALIVE = f"SELECT {COLUMNS}, NOW() AS now FROM workers w WHERE {LIVE} ORDER BY w.start_time, w.incarnation"
_LOCK = f"SELECT {COLUMNS}, NOW() AS now FROM workers w WHERE w.incarnation = :incarnation FOR UPDATE"


async def count_live(tx: Transaction) -> int:
    """Returns the number of live workers."""
    found: int = (await tx.run(f"SELECT count(*) FROM workers w WHERE {LIVE}"))[0][0]
    return found


async def read_workers_with_leases(
    tx: Transaction, job_ids: Iterable[str]
) -> list[results_pb2.WorkerToNotify]:
    """Returns the workers with leases of these jobs, each once per job."""
    wanted = [(job_id,) for job_id in sorted(job_ids)]
    return [
        results_pb2.WorkerToNotify(incarnation=row.incarnation, address=row.address, job_id=row.job_id)
        for row in (await tx.run(_WITH_LEASES, k=wanted) if wanted else [])
    ]


async def read_workers(tx: Transaction, since: int) -> Sequence[Row[Any]]:
    """Returns workers with a heartbeat in the last ``since`` microseconds, live ones first, then by start."""
    return await tx.run(_LISTED, {"since": since})


async def read_live(tx: Transaction) -> Sequence[Row[Any]]:
    """Returns the live workers, with the current time as ``now``, by start."""
    return await tx.run(_ALIVE)


async def lock_worker(tx: Transaction, incarnation: str) -> Row[Any] | None:
    """Locks a worker until the transaction ends and returns it; None if it is unknown."""
    rows = await tx.run(_LOCK, {"incarnation": incarnation})
    return rows[0] if rows else None


def is_silent(worker: Row[Any], now: int) -> bool:
    """Returns whether a worker has been silent for over 5 s. Outages of the store do not count as silence."""
    found: bool = worker.alive_until - (ALIVE_FOR - SILENT_AFTER) < now
    return found
