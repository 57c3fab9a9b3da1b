"""Leased items that wait until their model may be called again."""

import asyncio
from collections import Counter

from headrace.jobs.v1 import jobs_pb2
from services.worker.items.leased_work import LeasedJob, LeasedWork
from services.worker.items.live_numbers import ModelWaits

# Shortest wait for which the items of a job are held up, in seconds. Items wait for less behind the limit of
# their model, and then soon start.
HELD_UP_SECONDS = 0.1
# Items in a backoff from which on a job is not leased from.
BACKOFF_COUNT = 100
# Maximum age of a count, and time for which a held-up job is not checked again, in seconds: many jobs may be
# held up, and each item that ends asks for both.
COUNT_SECONDS = 0.05


class HeldUpWork:
    """Jobs whose model is in an outage or cools down, or whose rate limit is used up.

    Their items take up no capacity. Otherwise those of a model that is down for an hour keep the items of all
    other models from being leased. Nothing is counted while no job is held up.

    Args:
        leased: The leased work.
        waits: Waits of models.
    """

    def __init__(self, leased: LeasedWork, waits: ModelWaits) -> None:
        self._leased = leased
        self._waits = waits
        self._jobs: set[LeasedJob] = set()
        self._counts: Counter[jobs_pb2.JobClass] = Counter()
        self._count_time = float("-inf")

    def __contains__(self, job: LeasedJob) -> bool:
        return job in self._jobs

    def blocked_seconds(self, job: LeasedJob) -> float:
        """Returns the time until a job that was found to be held up is checked again; 0 or less: now."""
        return job.blocked_until - asyncio.get_running_loop().time() if job.blocked_until else 0.0

    def add(self, job: LeasedJob) -> bool:
        """Adds a job that may not start items now if its model holds it up; returns whether it is new."""
        if not self._is_held_up(job):
            return False
        job.blocked_until = asyncio.get_running_loop().time() + COUNT_SECONDS
        if job in self._jobs:
            return False
        self._jobs.add(job)
        self._count_time = float("-inf")
        return True

    def refresh(self) -> None:
        """Removes the jobs that are no longer held up, and counts the items of the others."""
        if not self._jobs:
            return
        self._jobs = {job for job in self._jobs if self._is_held_up(job)}
        self._counts = Counter()
        for job in self._jobs:
            self._counts[job.spec.job_class] += job.unstarted_count
        self._count_time = asyncio.get_running_loop().time()

    def unwanted_job_ids(self, job_class: jobs_pb2.JobClass) -> list[str]:
        """Returns the leased jobs of a class that should not be leased from now.

        Their model cools down or is full, most of their items fail and wait for another attempt, or they are
        stopped and not released yet: chunks of such a job that is retried meanwhile would only be released
        too. The next count is of now, so that a job is never both leased from and without capacity of its
        own.
        """
        self.refresh()
        return [
            job_id
            for job_id, job in self._leased.jobs.items()
            if job.spec.job_class == job_class and self._is_unwanted(job)
        ]

    def count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns the items that are held up, of a class or of all. It may be 50 ms old."""
        if not self._jobs:
            return 0
        if asyncio.get_running_loop().time() - self._count_time > COUNT_SECONDS:
            self.refresh()
        return self._counts.total() if job_class is None else self._counts[job_class]

    def _is_unwanted(self, job: LeasedJob) -> bool:
        has_backoffs = job.backoff_count >= BACKOFF_COUNT
        return job.stopped or has_backoffs or self._waits.wait_seconds(job.spec) > 0

    def _is_held_up(self, job: LeasedJob) -> bool:
        if job.stopped or self._leased.jobs.get(job.spec.job_id) is not job:
            return False
        return (
            self._waits.wait_seconds(job.spec) >= HELD_UP_SECONDS or self._waits.outage(job.spec) is not None
        )
