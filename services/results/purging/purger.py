"""The background task that purges finished jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headrace.errors import UnavailableError
from services.results.database.database import Database
from services.results.purging.purge_jobs import JOBS_AT_ONCE, purge_jobs
from services.results.purging.purge_rows import Position, list_purges, purge_rows
from services.results.purging.purge_shares import SHARES_AT_ONCE, purge_shares
from services.results.rows.worker_rows import SECOND
from services.shared.logging import fault_fields, get_logger
from services.shared.tracing import detached_context

log = get_logger(__name__)

T = TypeVar("T")

# Of the time, how much a purger may have a transaction running, so that it is one client among many.
WORK_SHARE = 0.2
# How often it looks, in seconds; more often where jobs are kept for minutes only.
MAX_INTERVAL_SECONDS = 60.0
MIN_INTERVAL_SECONDS = 1.0
# How much more seldom it looks for tenants without jobs: it has to pass all tenants.
SHARES_INTERVALS = 60
# Jobs whose rows one look goes on with, and those that share a transaction.
JOBS_A_LOOK = 10_000
JOBS_A_TRANSACTION = 100


class Purger:
    """Purges jobs that finished long ago; any number of processes may do so on one database.

    A job vanishes first, its rows go from the next look on: whoever was reading its results has come to the
    end of the page by then, and the page is whole.

    Args:
        database: The database.
        retention_hours: How long finished jobs are kept; 0: for ever.
        work_share: Of the time, how much it may have a transaction running.
    """

    def __init__(self, database: Database, retention_hours: float, work_share: float = WORK_SHARE) -> None:
        self._database = database
        self._retention_seconds = retention_hours * 3600
        self._pause_ratio = 1 / work_share - 1
        self._positions: dict[str, Position] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to look, unless jobs are kept for ever."""
        if not self._retention_seconds:
            return
        interval = min(max(self._retention_seconds / 10, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)
        self._start(self.purge_jobs, interval)
        self._start(self.purge_rows, interval)
        self._start(self.purge_shares, interval * SHARES_INTERVALS)

    async def stop(self) -> None:
        """Begins nothing more; a running transaction ends by itself, before the database closes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def purge_jobs(self) -> None:
        """Makes all jobs vanish whose time is over."""
        kept_for = int(self._retention_seconds * SECOND)
        while await self._gently(purge_jobs(self._database, kept_for)) == JOBS_AT_ONCE:
            pass

    async def purge_rows(self) -> None:
        """Deletes what is left of the jobs that the look before this one found vanished."""
        known = self._positions
        found = await list_purges(self._database, JOBS_A_LOOK)
        self._positions = {job_id: known.get(job_id, Position()) for job_id in found}
        ready = [job_id for job_id in found if job_id in known]
        for start in range(0, len(ready), JOBS_A_TRANSACTION):
            await self._purge_rows_of(ready[start : start + JOBS_A_TRANSACTION])

    async def purge_shares(self) -> None:
        """Forgets how far tenants are that have no job any more."""
        while await self._gently(purge_shares(self._database)) == SHARES_AT_ONCE:
            pass

    async def _purge_rows_of(self, job_ids: list[str]) -> None:
        left = set(job_ids)
        while left:
            positions = {job_id: self._positions[job_id] for job_id in left}
            moved = await self._gently(purge_rows(self._database, positions))
            if not moved:  # another purger is at them
                return
            self._positions |= {
                job_id: position for job_id, position in moved.items() if position is not None
            }
            left -= {job_id for job_id, position in moved.items() if position is None}

    async def _gently(self, work: Awaitable[T]) -> T:
        """Returns what the work returned, after a pause in proportion to how long it took."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        result = await work
        await asyncio.sleep((loop.time() - begin) * self._pause_ratio)
        return result

    def _start(self, look: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
        work = _repeat(look, interval_seconds)
        self._tasks.append(asyncio.get_running_loop().create_task(work, context=detached_context()))


async def _repeat(look: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
    while True:
        try:
            await look()
        except UnavailableError:  # it has been logged
            pass
        except Exception as error:
            log.error("purge_failed", **fault_fields(error))
        await asyncio.sleep(interval_seconds)
