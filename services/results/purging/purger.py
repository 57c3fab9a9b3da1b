"""The background task that purges finished jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headrace.errors import ResourceExhaustedError, UnavailableError
from services.results.database.database import Database
from services.results.purging.fold_usage import MAX_ROWS_PER_TRANSACTION as MAX_USAGE_PER_TRANSACTION
from services.results.purging.fold_usage import fold_usage
from services.results.purging.purge_gone import MAX_ROWS_PER_TRANSACTION as MAX_GONE_PER_TRANSACTION
from services.results.purging.purge_gone import purge_gone
from services.results.purging.purge_jobs import MAX_JOBS_PER_TRANSACTION, purge_jobs
from services.results.purging.purge_rows import Position, list_purges, purge_rows
from services.results.purging.purge_shares import MAX_SHARES_PER_TRANSACTION, purge_shares
from services.results.rows.worker_rows import SECOND
from services.shared.logging import fault_fields, get_logger
from services.shared.tracing import detached_context

log = get_logger(__name__)

T = TypeVar("T")

# Fraction of the time in which a purger may have a transaction running, so that it is one client among many.
WORK_SHARE = 0.2
# Seconds between two runs; fewer if the retention is only minutes.
MAX_INTERVAL_SECONDS = 60.0
MIN_INTERVAL_SECONDS = 1.0
# Intervals between two searches for tenants without jobs, which read all tenants.
SHARES_INTERVALS = 60
# Seconds between two deletions of old notes about purged jobs.
GONE_INTERVAL_SECONDS = 600.0
# Seconds between two runs that fold usage.
FOLD_INTERVAL_SECONDS = 3600.0
# Maximum jobs whose rows one run deletes, and maximum jobs that share such a transaction.
JOBS_PER_RUN = 10_000
JOBS_PER_ROW_TRANSACTION = 100


class Purger:
    """Purges jobs that finished long ago. Any number of processes may do so on one database.

    A job disappears first. Its other rows are deleted from the next run on: by then a reader of its results
    has reached the end of its page, and the page is complete.

    Args:
        database: The database.
        retention_hours: Retention of finished jobs without one of their own, in hours. 0 keeps them for ever.
        work_share: Fraction of the time in which it may have a transaction running.
    """

    def __init__(self, database: Database, retention_hours: float, work_share: float = WORK_SHARE) -> None:
        self._database = database
        self._retention_seconds = retention_hours * 3600
        self._pause_ratio = 1 / work_share - 1
        self._positions: dict[str, Position] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to purge, and to fold the usage of purged jobs."""
        self._start(self.purge_gone, GONE_INTERVAL_SECONDS)
        self._start(self.fold_usage, FOLD_INTERVAL_SECONDS)
        interval = MAX_INTERVAL_SECONDS
        if self._retention_seconds:
            interval = min(max(self._retention_seconds / 10, MIN_INTERVAL_SECONDS), interval)
        self._start(self.purge_jobs, interval)
        self._start(self.purge_rows, interval)
        self._start(self.purge_shares, interval * SHARES_INTERVALS)

    async def stop(self) -> None:
        """Stops. A running transaction still ends, before the database closes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def purge_jobs(self) -> None:
        """Purges all jobs whose retention is over."""
        retention_micros = int(self._retention_seconds * SECOND)
        await self._repeat_while_full(
            lambda: purge_jobs(self._database, retention_micros), MAX_JOBS_PER_TRANSACTION
        )

    async def purge_rows(self) -> None:
        """Deletes the rows of the purged jobs that the previous run found."""
        known = self._positions
        found = await list_purges(self._database, JOBS_PER_RUN)
        self._positions = {job_id: known.get(job_id, Position()) for job_id in found}
        ready = [job_id for job_id in found if job_id in known]
        for start in range(0, len(ready), JOBS_PER_ROW_TRANSACTION):
            await self._purge_rows_of(ready[start : start + JOBS_PER_ROW_TRANSACTION])

    async def purge_gone(self) -> None:
        """Deletes the notes about jobs that have been gone for a week."""
        await self._repeat_while_full(lambda: purge_gone(self._database), MAX_GONE_PER_TRANSACTION)

    async def purge_shares(self) -> None:
        """Deletes the shares of tenants without jobs."""
        await self._repeat_while_full(lambda: purge_shares(self._database), MAX_SHARES_PER_TRANSACTION)

    async def fold_usage(self) -> None:
        """Sums the usage of jobs that were purged long ago."""
        await self._repeat_while_full(lambda: fold_usage(self._database), MAX_USAGE_PER_TRANSACTION)

    async def _purge_rows_of(self, job_ids: list[str]) -> None:
        remaining = set(job_ids)
        while remaining:
            positions = {job_id: self._positions[job_id] for job_id in remaining}
            moved = await self._throttle(purge_rows(self._database, positions))
            if not moved:  # Another purger works on them.
                return
            self._positions |= {
                job_id: position for job_id, position in moved.items() if position is not None
            }
            remaining -= {job_id for job_id, position in moved.items() if position is None}

    async def _repeat_while_full(self, work: Callable[[], Awaitable[int]], row_count: int) -> None:
        """Repeats a transaction as long as it finds as many rows as it may take."""
        while await self._throttle(work()) == row_count:
            pass

    async def _throttle(self, work: Awaitable[T]) -> T:
        """Awaits work, pauses in proportion to its duration, and returns its result."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        result = await work
        await asyncio.sleep((loop.time() - begin) * self._pause_ratio)
        return result

    def _start(self, run: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
        work = _repeat(run, interval_seconds)
        self._tasks.append(asyncio.get_running_loop().create_task(work, context=detached_context()))


async def _repeat(run: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
    while True:
        try:
            await run()
        except (UnavailableError, ResourceExhaustedError):  # Already logged.
            pass
        except Exception as error:
            log.error("purge_failed", **fault_fields(error))
        await asyncio.sleep(interval_seconds)
