"""The background task that reads the backlog of all jobs for the metrics."""

import asyncio

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.metrics import ITEMS_WAITING, JOBS
from services.results.rows.backlog_rows import count_items_waiting, count_live_jobs
from services.shared.background_task import BackgroundTask
from services.shared.logging import fault_fields, get_logger
from services.shared.metrics import CLASS_LABELS, JOB_STATE_LABELS
from services.shared.tracing import detached_context

log = get_logger(__name__)

INTERVAL_SECONDS = 10.0
# Maximum fraction of the time in which the read may run. It reads every job that is not finished.
WORK_SHARE = 0.02

_CLASSES = (jobs_pb2.JOB_CLASS_INTERACTIVE, jobs_pb2.JOB_CLASS_DEFAULT, jobs_pb2.JOB_CLASS_BULK)
_LIVE_STATES = (
    jobs_pb2.JOB_STATE_PENDING,
    jobs_pb2.JOB_STATE_RUNNING,
    jobs_pb2.JOB_STATE_UPLOADING,
    jobs_pb2.JOB_STATE_SCHEDULED,
    jobs_pb2.JOB_STATE_BLOCKED,
    jobs_pb2.JOB_STATE_PAUSED,
    jobs_pb2.JOB_STATE_CANCELLING,
)


class Backlog:
    """Keeps ``headrace_items_waiting`` and ``headrace_jobs`` up to date. A scrape reads nothing.

    While the database cannot be read there are no such series, since an autoscaler must not act on old ones.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task = BackgroundTask(self._repeat, "backlog")

    def start(self) -> None:
        """Starts to read."""
        self._task.start(detached_context())

    async def stop(self) -> None:
        """Stops."""
        await self._task.stop()

    async def update(self) -> None:
        """Reads the numbers once. If that fails, it removes them and raises.

        Raises:
            UnavailableError: The database cannot be reached (STORE_UNAVAILABLE).
        """
        try:
            items, jobs = await self._database.read(_read)
        except BaseException:
            ITEMS_WAITING.clear()
            JOBS.clear()
            raise
        for job_class in _CLASSES:
            ITEMS_WAITING.labels(CLASS_LABELS[job_class]).set(items.get(job_class, 0))
        for state in _LIVE_STATES:
            JOBS.labels(JOB_STATE_LABELS[state]).set(jobs.get(state, 0))

    async def _repeat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            try:
                await self.update()
            except UnavailableError:  # Already logged.
                pass
            except Exception as error:
                log.error("backlog_not_read", **fault_fields(error))
            await asyncio.sleep(max(INTERVAL_SECONDS, (loop.time() - begin) / WORK_SHARE))


async def _read(tx: Transaction) -> tuple[dict[int, int], dict[int, int]]:
    return await count_items_waiting(tx), await count_live_jobs(tx, _LIVE_STATES)
