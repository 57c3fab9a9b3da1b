"""How many more items a worker should lease, of each class."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.contract import WEIGHT_BY_CLASS
from services.worker.items.leased_work import LeasedWork

# Leased ahead of what is in flight: the largest chunk, so that one always fits an idle worker.
AHEAD_COUNT = 100
# Of what waits for slots of its tenant, so many times the capacity takes up no capacity.
_PARKED_PART = 3


class Capacity:
    """Free capacity, shared 16:4:1 between the classes that have work.

    A worker alone with one class may fill up with it. Where other classes are held or have work in the
    store, each may hold its share of the slots and a chunk ahead, even while another holds more than its
    own: so a small job never waits for a big one to make capacity, and the share of a class whose chunks are
    large is full until the next one is there. More it may hold only of what no other class with work in the
    store could take.

    Args:
        leased: What the worker holds.
        limit: Items in flight at most.
        parked_count: Gives how many held items, of a class or of all, wait for slots of their tenants: they
            keep no slot busy, so that others are leased beside them.
    """

    def __init__(
        self,
        leased: LeasedWork,
        limit: int,
        parked_count: Callable[[jobs_pb2.JobClass | None], int] = lambda job_class: 0,
    ) -> None:
        self._leased = leased
        self._parked_count = parked_count
        self._limit = limit
        self._total = limit + AHEAD_COUNT
        self._with_work: set[jobs_pb2.JobClass] = set()
        self._changed = asyncio.Event()
        self.classes = tuple(WEIGHT_BY_CLASS)

    def set_with_work(self, job_class: jobs_pb2.JobClass, has_work: bool) -> None:
        """Takes note of whether the store has leasable chunks of a class."""
        if has_work:
            self._with_work.add(job_class)
        else:
            self._with_work.discard(job_class)

    def of(self, job_class: jobs_pb2.JobClass) -> int:
        """Items of the class to lease now; 0 or less: none."""
        free = self._total - self._count()
        rivals = {c for c in self.classes if c in self._with_work or self._count(c)}
        rivals.discard(job_class)
        if not rivals:
            return free
        weights = sum(WEIGHT_BY_CLASS[c] for c in rivals | {job_class})
        share = self._limit * WEIGHT_BY_CLASS[job_class] // weights
        own = share + AHEAD_COUNT - self._count(job_class)
        return own if rivals & self._with_work else max(own, free)

    def _count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns how many items of a class, or of all, take up capacity."""
        parked = min(self._parked_count(job_class), _PARKED_PART * self._total)
        return self._leased.unfinished_count(job_class) - parked

    def changed(self) -> None:
        """Wakes those who wait for capacity."""
        self._changed.set()

    async def wait(self, job_class: jobs_pb2.JobClass, wanted: int, timeout_seconds: float) -> int:
        """Waits until there is capacity for so many items, or the time is over; returns the capacity there is."""
        await self.wait_until(lambda: self.of(job_class) >= wanted, timeout_seconds)
        return self.of(job_class)

    async def wait_until(self, condition: Callable[[], bool], timeout_seconds: float) -> None:
        """Waits until a condition on what is held is true, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
