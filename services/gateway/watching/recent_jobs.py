"""Snapshots of recently created jobs, so that watching one at once needs no call to the store."""

from collections import OrderedDict
from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from services.shared.job_states import TERMINAL_STATES

LIFETIME_SECONDS = 5.0
MAX_JOBS = 2_000


class RecentJobs:
    """Newest known snapshots of the jobs created in the last 5 seconds, at most 2,000.

    A snapshot may be stale if later ones went to another gateway. A watch that begins with it is therefore
    re-read like any other watch that has been quiet for a second.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._jobs: OrderedDict[str, tuple[float, jobs_pb2.Job]] = OrderedDict()

    def add(self, job: jobs_pb2.Job) -> None:
        """Adds a job that the store has just created."""
        self._jobs[job.job_id] = (self._clock() + LIFETIME_SECONDS, job)
        self._jobs.move_to_end(job.job_id)
        while len(self._jobs) > MAX_JOBS or next(iter(self._jobs.values()))[0] <= self._clock():
            self._jobs.popitem(last=False)

    def update(self, job: jobs_pb2.Job) -> None:
        """Replaces the snapshot of a recent job by a newer one; ignores any other snapshot."""
        known = self._jobs.get(job.job_id)
        if known is not None and job.seq > known[1].seq:
            self._jobs[job.job_id] = (known[0], job)

    def find(self, job_id: str, tenant: str) -> jobs_pb2.Job | None:
        """Returns an unfinished job of a tenant; None if the store must be asked.

        A terminal snapshot is not returned. A retry at another gateway may have restarted the job, and a
        watch that ends at once is never re-read.
        """
        end_time, job = self._jobs.get(job_id, (0.0, None))
        if job is None or job.tenant != tenant or self._clock() >= end_time:
            return None
        return None if job.state in TERMINAL_STATES else job

    def clear(self) -> None:
        """Removes all jobs, because newer snapshots of them may have been missed."""
        self._jobs.clear()
