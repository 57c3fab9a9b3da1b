"""Snapshots of jobs that were created here a moment ago: whoever watches one at once needs no reading."""

from collections import OrderedDict
from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from services.shared.job_states import TERMINAL_STATES

KEPT_SECONDS = 5.0
MAX_KEPT = 2_000


class RecentJobs:
    """The newest snapshots heard of, of jobs created in the last seconds.

    One may be old where news of its job went to another gateway. So a watch that begins with it is read
    again like any other that has been quiet for a second.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, jobs_pb2.Job]] = OrderedDict()

    def add(self, job: jobs_pb2.Job) -> None:
        """Takes a job as the store has just answered it."""
        self._kept[job.job_id] = (self._clock() + KEPT_SECONDS, job)
        self._kept.move_to_end(job.job_id)
        while len(self._kept) > MAX_KEPT or next(iter(self._kept.values()))[0] <= self._clock():
            self._kept.popitem(last=False)

    def update(self, job: jobs_pb2.Job) -> None:
        """Takes news of a job; of those not kept, and old ones, nothing is taken."""
        kept = self._kept.get(job.job_id)
        if kept is not None and job.seq > kept[1].seq:
            self._kept[job.job_id] = (kept[0], job)

    def find(self, job_id: str, tenant: str) -> jobs_pb2.Job | None:
        """Returns a job of a tenant that has not ended, None where the store has to be asked.

        An end is not told from here: a retry at another gateway may have undone it, and nothing is read again
        for a watch that is over.
        """
        end_time, job = self._kept.get(job_id, (0.0, None))
        if job is None or job.tenant != tenant or self._clock() >= end_time:
            return None
        return None if job.state in TERMINAL_STATES else job

    def clear(self) -> None:
        """Forgets all: news of them may have been missed."""
        self._kept.clear()
