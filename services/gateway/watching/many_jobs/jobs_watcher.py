"""The mailbox of one watch of many jobs."""

import asyncio
from collections.abc import Iterable

from headrace.errors import HeadraceError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.many_jobs.job_filter import JobFilter
from services.gateway.watching.many_jobs.known_jobs import KnownJobs
from services.stubs.results.v1 import results_pb2

# Limits of the jobs that wait to be sent. A page of changes has up to 1,000 jobs and 1 MB.
MAX_WAITING = 2_000
MAX_WAITING_BYTES = 4 * 1024 * 1024
# Limits of one message.
MAX_JOBS = 1_000
MAX_BYTES = 1024 * 1024


class JobsWatcher:
    """The newest snapshots that one watch must send, and its position in the changes.

    A slow reader gets merged snapshots. Once its mailbox is full, live snapshots are dropped, and a page of
    changes is refused: the watch then reads the pages itself, as fast as its reader does.

    Args:
        job_filter: Jobs to send.
        is_complete: Whether the reader knows no jobs from an earlier stream.

    Attributes:
        position: Every change before it is in the mailbox or has been taken.
        is_behind: Whether a page was refused, so that the watch gets no more of them.
        is_reset: Whether the position was void, and changes may be missing.
    """

    def __init__(self, job_filter: JobFilter, is_complete: bool) -> None:
        self.position = results_pb2.ChangePosition()
        self.is_behind = False
        self.is_reset = False
        self._filter = job_filter
        self._known = KnownJobs(job_filter, is_complete)
        self._waiting: dict[str, tuple[int, gateway_pb2.WatchedJob]] = {}
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._error: HeadraceError | None = None

    @property
    def has_jobs(self) -> bool:
        """Whether jobs wait to be sent."""
        return bool(self._waiting)

    def put_listed(self, jobs: Iterable[jobs_pb2.Job]) -> None:
        """Adds jobs of the list that a watch begins with."""
        for job in jobs:
            self._put(self._known.judge_live(job))

    def put_live(self, job: jobs_pb2.Job) -> None:
        """Adds a snapshot that was heard of live. A full mailbox ignores it."""
        if job.job_id in self._waiting or self._has_space(1, 0):
            self._put(self._known.judge_live(job))

    def put_page(self, page: results_pb2.ListChangesResponse) -> None:
        """Adds the page of changes after the position, or sets is_behind if there is no space for it."""
        if page.jobs and not self._has_space(len(page.jobs), page.ByteSize()):
            self.is_behind = True
            self._changed.set()
        else:
            for changed in page.jobs:
                self._put(self._known.judge_change(changed))
            self.position = page.next

    def reset(self, position: results_pb2.ChangePosition) -> None:
        """Continues at another position, because the old one is void."""
        self.position, self.is_reset, self.is_behind = position, True, True
        self._known = KnownJobs(self._filter, is_complete=False)
        self._changed.set()

    def take(self) -> list[gateway_pb2.WatchedJob]:
        """Returns the jobs of one message and removes them, oldest first."""
        taken: list[gateway_pb2.WatchedJob] = []
        total = 0
        for job_id, (size, job) in list(self._waiting.items())[:MAX_JOBS]:
            total += size
            if taken and total > MAX_BYTES:
                break
            taken.append(job)
            self._waiting_bytes -= size
            del self._waiting[job_id]
        return taken

    async def wait(self, seconds: float) -> None:
        """Waits until jobs wait or the watch has fallen behind, up to some seconds.

        Raises:
            UnavailableError: GATEWAY_STOPPING: watch at another gateway.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()
        self.check()

    def check(self) -> None:
        """Returns while the gateway runs.

        Raises:
            UnavailableError: GATEWAY_STOPPING: watch at another gateway.
        """
        if self._error is not None:
            raise self._error

    def end(self, error: HeadraceError) -> None:
        """Makes ``wait`` and ``check`` raise an error from now on."""
        self._error = error
        self._changed.set()

    def _has_space(self, count: int, size: int) -> bool:
        if not self._waiting:
            return True
        has_count = len(self._waiting) + count <= MAX_WAITING
        return has_count and self._waiting_bytes + size <= MAX_WAITING_BYTES

    def _put(self, job: gateway_pb2.WatchedJob | None) -> None:
        if job is None:
            return
        size, _ = self._waiting.pop(job.job.job_id, (0, None))
        self._waiting_bytes -= size
        size = job.ByteSize()
        self._waiting[job.job.job_id] = (size, job)
        self._waiting_bytes += size
        self._changed.set()
