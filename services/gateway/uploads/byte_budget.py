"""Bounds the bytes of uploads that wait for the store."""

from collections import Counter
from functools import partial
from itertools import count

from headrace.errors import UnavailableError
from services.shared.waiting_queue import Waiter, WaitingQueue


class ByteBudget:
    """A number of bytes that many uploads share.

    Bytes that are free go first to the tenant that holds the fewest. Requests of one tenant are served in
    order of arrival, so that small ones cannot starve a large one. A request that is larger than the limit is
    served when no other holds any bytes.

    Args:
        limit: Maximum bytes held at once.
        waiting_limit: Maximum bytes of waiting requests, which are in memory too. No limit if unset.

    Attributes:
        limit: Maximum bytes held at once.
    """

    def __init__(self, limit: int, waiting_limit: int | None = None) -> None:
        self.limit = limit
        self._waiting_limit = waiting_limit
        self._held_by: Counter[str] = Counter()
        self._held = 0
        self._waiting_bytes = 0
        self._arrivals = count()
        self._queues: dict[str, WaitingQueue[None]] = {}

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    @property
    def waiting_count(self) -> int:
        """Number of waiting requests."""
        return sum(len(queue) for queue in self._queues.values())

    def try_take(self, size: int, tenant: str = "") -> bool:
        """Takes bytes if they are free and nobody waits. Returns whether they were taken."""
        if self._queues or not self._fits(size):
            return False
        self._hold(size, tenant)
        return True

    async def take(self, size: int, tenant: str = "") -> None:
        """Takes bytes once they are free. A request that is cancelled while it waits holds none.

        Args:
            size: Bytes to take.
            tenant: Tenant that takes them.

        Raises:
            UnavailableError: Too many bytes wait already.
        """
        if self.try_take(size, tenant):
            return
        if self._waiting_limit is not None and self._waiting_bytes + size > self._waiting_limit:
            raise UnavailableError("too many uploads wait at this gateway; repeat the call")
        queue = self._queues.setdefault(tenant, WaitingQueue(self._arrivals))
        self._waiting_bytes += size
        try:
            await queue.wait(cost=size, give_back=partial(self.give_back, size, tenant))
        except BaseException:
            self._forget_if_empty(tenant)
            self._grant()  # it may have stood in the way of smaller ones
            raise
        finally:
            self._waiting_bytes -= size

    def give_back(self, size: int, tenant: str = "") -> None:
        """Frees bytes that were taken."""
        self._held -= size
        self._held_by[tenant] -= size
        if not self._held_by[tenant]:
            del self._held_by[tenant]
        self._grant()

    def _hold(self, size: int, tenant: str) -> None:
        self._held += size
        self._held_by[tenant] += size

    def _fits(self, size: int) -> bool:
        return not self._held or self._held + size <= self.limit

    def _grant(self) -> None:
        while (found := self._next()) is not None and self._fits(found[1].cost):
            tenant, waiter = found
            self._hold(waiter.cost, tenant)
            self._queues[tenant].grant(waiter, None)
            self._forget_if_empty(tenant)

    def _next(self) -> tuple[str, Waiter[None]] | None:
        """Returns the first request of the tenant that holds the fewest bytes."""
        firsts = [
            (tenant, first) for tenant, queue in self._queues.items() if (first := queue.first) is not None
        ]
        return min(firsts, key=lambda each: (self._held_by[each[0]], each[1].arrival), default=None)

    def _forget_if_empty(self, tenant: str) -> None:
        if tenant in self._queues and not self._queues[tenant]:
            del self._queues[tenant]
