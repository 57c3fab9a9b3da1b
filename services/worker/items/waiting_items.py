"""Leased items that wait for a slot or wait out a backoff."""

import asyncio
from collections.abc import Callable, Iterable

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.contract import WEIGHT_BY_CLASS
from services.worker.items.fair_queue import FairQueue
from services.worker.items.leased_work import LeasedChunk, LeasedItem, LeasedJob


class WaitingItems:
    """Keeps waiting items in the order in which they get a slot, and items in backoff on their timers.

    Attributes:
        jobs_in_backoff: Jobs with items in backoff. Read only for others.
    """

    def __init__(self) -> None:
        self.jobs_in_backoff: set[LeasedJob] = set()
        self._queue: FairQueue[jobs_pb2.JobClass, LeasedItem] = FairQueue(WEIGHT_BY_CLASS)

    def add(self, job: LeasedJob, items: Iterable[LeasedItem]) -> None:
        """Adds items of a job to the end of its line."""
        spec = job.spec
        self._queue.push(spec.job_class, spec.tenant, spec.job_id, items)

    def back_off(self, item: LeasedItem, seconds: float, then: Callable[[LeasedItem], None]) -> None:
        """Calls a function with an item after its backoff."""

        def end() -> None:
            self._end_backoff(item)
            then(item)

        self.jobs_in_backoff.add(item.chunk.job)
        item.chunk.job.backoff_count += 1
        item.timer = asyncio.get_running_loop().call_later(seconds, end)

    def next(self, is_ready: Callable[[str], bool], may_serve: Callable[[str], bool]) -> LeasedItem | None:
        """Removes and returns the next item; None: there is none.

        Args:
            is_ready: Whether a job, by id, may start items now. Called at most once per job.
            may_serve: Whether a tenant may start items now. Its jobs are only asked about if so.
        """
        return self._queue.pop(is_ready, may_serve)

    def remove(self, job: LeasedJob, chunk: LeasedChunk | None = None) -> None:
        """Removes the items of a job, or of one of its chunks, from the queue; backoffs run on."""
        spec = job.spec
        self._queue.discard(
            spec.job_class, spec.tenant, spec.job_id, lambda item: chunk in (None, item.chunk)
        )

    def cancel(self, job: LeasedJob, chunk: LeasedChunk | None = None) -> None:
        """Removes the items of a job, or of one of its chunks, and ends their backoffs."""
        self.remove(job, chunk)
        for each in job.chunks.values():
            for item in each.unfinished.values():
                if item.timer is not None and chunk in (None, item.chunk):
                    item.timer.cancel()
                    self._end_backoff(item)

    def _end_backoff(self, item: LeasedItem) -> None:
        item.timer = None
        job = item.chunk.job
        job.backoff_count -= 1
        if not job.backoff_count:
            self.jobs_in_backoff.discard(job)


class Recheck:
    """Calls a function once after a delay. Further requests before then do nothing.

    Args:
        function: The function.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._timer: asyncio.TimerHandle | None = None

    def after(self, seconds: float) -> None:
        """Calls the function after a delay, unless a call is due already."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._call)

    def _call(self) -> None:
        self._timer = None
        self._function()
