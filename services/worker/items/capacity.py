"""Decides how many more items of each class a worker may lease."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.contract import WEIGHT_BY_CLASS
from services.worker.items.leased_work import LeasedWork

# Items leased ahead of those in flight: the largest chunk, so that one always fits an idle worker.
AHEAD_COUNT = 100
# Length of a run of the lease loop, in seconds. A job whose cool-down outlasts it is released.
RUN_SECONDS = 30.0
# Items waiting for their tenants or models take up no capacity, up to this multiple of the total capacity.
_PARKED_FACTOR = 3


class Capacity:
    """Free capacity, shared 16:4:1 between the classes that have work.

    A worker that only has work of one class may fill up with it. If other classes have leased items or work
    in the store, each class may lease its share of the slots and a chunk ahead, even while another has more
    than its own. So a small job never waits for a big one to free capacity, and the share of a class with
    large chunks stays full until its next chunk arrives. A class may exceed its share only if no other class
    has work in the store.

    Args:
        leased: The leased work.
        limit: Maximum items in flight.
        parked_count: Returns the leased items, of a class or of all, that wait for slots of their tenants
            or for their model to come back. They keep no slot busy, so others are leased alongside them.

    Attributes:
        classes: All classes.
    """

    def __init__(
        self,
        leased: LeasedWork,
        limit: int,
        parked_count: Callable[[jobs_pb2.JobClass | None], int],
    ) -> None:
        self._leased = leased
        self._parked_count = parked_count
        self._limit = limit
        self._total = limit + AHEAD_COUNT
        self._with_work: set[jobs_pb2.JobClass] = set()
        self._changed = asyncio.Event()
        self.classes = tuple(WEIGHT_BY_CLASS)

    def set_with_work(self, job_class: jobs_pb2.JobClass, has_work: bool) -> None:
        """Sets whether the store has leasable chunks of a class."""
        if has_work:
            self._with_work.add(job_class)
        else:
            self._with_work.discard(job_class)

    def of(self, job_class: jobs_pb2.JobClass) -> int:
        """Returns the items of a class to lease now; 0 or less: none."""
        free = self._total - self._count()
        rivals = {c for c in self.classes if c in self._with_work or self._count(c)}
        rivals.discard(job_class)
        if not rivals:
            return free
        weights = sum(WEIGHT_BY_CLASS[c] for c in rivals | {job_class})
        share = self._limit * WEIGHT_BY_CLASS[job_class] // weights
        own = share + AHEAD_COUNT - self._count(job_class)
        return own if rivals & self._with_work else max(own, free)

    @property
    def total(self) -> int:
        """Items that an idle worker may lease."""
        return self._total

    def _count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns the items of a class, or of all, that take up capacity."""
        parked = min(self._parked_count(job_class), _PARKED_FACTOR * self._total)
        return self._leased.unfinished_count(job_class) - parked

    def changed(self) -> None:
        """Wakes everything that waits for capacity."""
        self._changed.set()

    async def wait(self, job_class: jobs_pb2.JobClass, wanted: int, timeout_seconds: float) -> int:
        """Waits for capacity for a number of items, up to a timeout; returns the capacity then."""
        await self.wait_until(lambda: self.of(job_class) >= wanted, timeout_seconds)
        return self.of(job_class)

    async def wait_until(self, condition: Callable[[], bool], timeout_seconds: float) -> None:
        """Waits until a condition on the leased work is true, up to a timeout."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
