"""A queue of tasks that wait for a resource, served by rank and then by arrival."""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")

# Cancelled waiters may outnumber the others by this many before they are swept out of the heap.
_MAX_CANCELLED = 64


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """A task in the queue.

    Attributes:
        rank: The lowest rank is served first.
        arrival: Orders waiters of one rank.
        cost: Size of the request, in a unit of the caller's.
        grant: Resolved when the waiter is served.
    """

    rank: int
    arrival: int
    cost: int
    grant: asyncio.Future[T]


class WaitingQueue(Generic[T]):
    """Waiting tasks. A waiter that is cancelled before it has seen its grant gives the grant back.

    Joining, granting and cancelling take O(log n). A cancelled waiter stays in the heap until it is first, or
    until a sweep that costs O(1) per cancelled waiter.

    Args:
        arrivals: Source of arrival numbers. Queues that share one can be compared by ``first``.
    """

    def __init__(self, arrivals: Iterator[int] | None = None) -> None:
        self._arrivals = count() if arrivals is None else arrivals
        self._heap: list[tuple[int, int, Waiter[T]]] = []
        self._count = 0

    def __len__(self) -> int:
        """Number of waiters that are neither granted nor cancelled."""
        return self._count

    @property
    def first(self) -> Waiter[T] | None:
        """The waiter to serve next. None if nobody waits."""
        while self._heap and self._heap[0][2].grant.done():
            heapq.heappop(self._heap)
        return self._heap[0][2] if self._heap else None

    async def wait(self, rank: int = 0, cost: int = 0, *, give_back: Callable[[], None]) -> T:
        """Joins the queue and waits for a grant.

        Args:
            rank: The lowest rank is served first.
            cost: Size of the request, in a unit of the caller's.
            give_back: Called if the grant arrives in the same turn of the loop as a cancellation.

        Returns:
            The value of the grant.
        """
        grant: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiter = Waiter(rank, next(self._arrivals), cost, grant)
        self._push(waiter)
        self._count += 1
        try:
            return await grant
        except asyncio.CancelledError:
            if grant.cancelled():
                self._count -= 1
                self._sweep_cancelled()
            else:
                give_back()
            raise

    def grant(self, waiter: Waiter[T], value: T) -> bool:
        """Serves a waiter. Returns False if it was cancelled and takes nothing."""
        if waiter.grant.done():
            return False
        self._count -= 1
        waiter.grant.set_result(value)
        return True

    @contextmanager
    def take_first(self, limit: int) -> Iterator[list[Waiter[T]]]:
        """Takes up to ``limit`` waiters out of the order. Those not granted in the block return to it."""
        taken: list[Waiter[T]] = []
        while len(taken) < limit and (waiter := self.first) is not None:
            heapq.heappop(self._heap)
            taken.append(waiter)
        try:
            yield taken
        finally:
            for waiter in taken:
                if not waiter.grant.done():
                    self._push(waiter)

    def _push(self, waiter: Waiter[T]) -> None:
        heapq.heappush(self._heap, (waiter.rank, waiter.arrival, waiter))

    def _sweep_cancelled(self) -> None:
        if len(self._heap) > 2 * self._count + _MAX_CANCELLED:
            self._heap = [entry for entry in self._heap if not entry[2].grant.done()]
            heapq.heapify(self._heap)
