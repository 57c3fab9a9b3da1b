"""Reading and writing rows of workers."""

# ruff: noqa: S608  # statements are put together from constants alone

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from services.results.database.database import Transaction
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

_HOLDERS = """
SELECT k.job_id, w.incarnation, w.address FROM ROWS(k: job_id text) CROSS JOIN workers w
WHERE EXISTS (SELECT 1 FROM chunks c WHERE c.lease_incarnation = w.incarnation AND c.job_id = k.job_id)"""
_LISTED = f"""
SELECT {COLUMNS} FROM workers w WHERE w.heartbeat_time > NOW() - :since
ORDER BY w.ended OR w.dead, w.start_time, w.incarnation"""
_ALIVE = f"SELECT {COLUMNS}, NOW() AS now FROM workers w WHERE {LIVE} ORDER BY w.start_time, w.incarnation"
_LOCK = f"SELECT {COLUMNS}, NOW() AS now FROM workers w WHERE w.incarnation = :incarnation FOR UPDATE"


async def count_live(tx: Transaction) -> int:
    """Returns how many workers live."""
    found: int = (await tx.run(f"SELECT count(*) FROM workers w WHERE {LIVE}"))[0][0]
    return found


async def read_holders(tx: Transaction, job_ids: Iterable[str]) -> list[results_pb2.WorkerToNotify]:
    """Returns the workers that hold leases of these jobs, each once a job."""
    wanted = [(job_id,) for job_id in sorted(job_ids)]
    return [
        results_pb2.WorkerToNotify(incarnation=row.incarnation, address=row.address, job_id=row.job_id)
        for row in (await tx.run(_HOLDERS, k=wanted) if wanted else [])
    ]


async def read_workers(tx: Transaction, since: int) -> Sequence[Row[Any]]:
    """Returns workers with a heartbeat in the last so many microseconds, live ones first, then by start."""
    return await tx.run(_LISTED, {"since": since})


async def read_live(tx: Transaction) -> Sequence[Row[Any]]:
    """Returns the live workers with the time now, by start."""
    return await tx.run(_ALIVE)


async def lock_worker(tx: Transaction, incarnation: str) -> Row[Any] | None:
    """Returns a worker, locked until the transaction ends; None if it is unknown."""
    rows = await tx.run(_LOCK, {"incarnation": incarnation})
    return rows[0] if rows else None


def is_silent(worker: Row[Any], now: int) -> bool:
    """Returns whether a worker's last sign of life is over 5 s old; outages of the store do not count."""
    found: bool = worker.alive_until - (ALIVE_FOR - SILENT_AFTER) < now
    return found
