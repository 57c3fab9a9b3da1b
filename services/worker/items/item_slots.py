"""Slots of a worker's items, shared between tenants. Some are kept for tenants with few items in flight."""

import asyncio
from collections import Counter
from typing import Protocol

# Slots of the reserve, as a part of the limit.
_RESERVE_PART = 1 / 8
# A tenant without a slot is stuck if none of its items has ended for this time, in seconds.
STUCK_SECONDS = 2.0


class LimitedCalls(Protocol):
    """Counts of calls that wait for a limit. Their items hold no slot."""

    @property
    def limited_count(self) -> int:
        """Calls waiting for a rate limit, for their tenant, or behind their model's limit."""

    def limited_count_of(self, job_id: str) -> int:
        """Returns how many calls of a job wait for one of these limits."""


class ItemSlots:
    """Divides the slots of a worker between tenants.

    An item in flight keeps its slot until it ends, perhaps for an hour. Without a reserve, a tenant whose
    long items came first holds every slot, and fair leasing helps nobody.

    Up to the limit, items start as slots come free. Beyond it there is a reserve. It is open while a tenant
    with many slots is stuck: none of its items has ended for 2 s. Otherwise each tenant gets its turn, and
    the reserve would change the shares of classes. A tenant may use it while it has fewer items in flight
    than the reserve has free slots. So the first tenant in need gets half of it, and the next one half of the
    rest. A tenant that fills the limit on its own gets none of it.

    Args:
        limit: Maximum items in flight of one tenant.
        calls: Counts the calls that wait for a limit.
    """

    def __init__(self, limit: int, calls: LimitedCalls) -> None:
        self._limit = limit
        self._total = limit + max(1, int(limit * _RESERVE_PART))
        self._calls = calls
        self._count = 0
        self._in_flight: dict[str, Counter[str]] = {}  # items of each job, by tenant
        self._counts: Counter[str] = Counter()  # items by tenant
        self._move_times: dict[str, float] = {}  # of the last end, or first start

    @property
    def has_free_slot(self) -> bool:
        """Whether a slot is free, if only for some tenants."""
        busy_count = self._busy_count
        if busy_count < self._limit:
            return True
        return busy_count < self._total and self._is_reserve_open(self._total - busy_count)

    @property
    def is_full(self) -> bool:
        """Whether only slots of the reserve are free, if any."""
        return self._busy_count >= self._limit

    @property
    def reserved_count(self) -> int:
        """Slots of the reserve in use."""
        return max(0, self._busy_count - self._limit)

    def may_start(self, tenant: str) -> bool:
        """Returns whether another item of a tenant may start."""
        busy_count = self._busy_count
        free_count = self._total - busy_count
        if busy_count < self._limit or free_count <= 0:
            return free_count > 0
        if not self._is_reserve_open(free_count):
            return False
        count = self._counts[tenant]
        if count < free_count:
            return True
        if busy_count - (self._count - count) >= free_count:  # even if no other item waits for a limit
            return False
        return self._busy_count_of(tenant) < free_count

    def started(self, tenant: str, job_id: str) -> None:
        """Counts an item as in flight."""
        self._count += 1
        self._counts[tenant] += 1
        self._in_flight.setdefault(tenant, Counter())[job_id] += 1
        self._move_times.setdefault(tenant, asyncio.get_running_loop().time())

    def ended(self, tenant: str, job_id: str) -> None:
        """Counts an item as no longer in flight."""
        self._count -= 1
        self._counts[tenant] -= 1
        self._move_times[tenant] = asyncio.get_running_loop().time()
        jobs = self._in_flight[tenant]
        jobs[job_id] -= 1
        if not jobs[job_id]:
            del jobs[job_id]
        if not jobs:
            del self._in_flight[tenant], self._counts[tenant], self._move_times[tenant]

    def stuck_tenants(self) -> set[str]:
        """Returns the tenants that get no slot, and of whose items in flight none has ended for 2 s."""
        if not self.is_full:
            return set()
        return {tenant for tenant in self._idle_tenants() if not self.may_start(tenant)}

    def _is_reserve_open(self, free_count: int) -> bool:
        return any(self._counts[tenant] >= free_count for tenant in self._idle_tenants())

    def _idle_tenants(self) -> list[str]:
        since = asyncio.get_running_loop().time() - STUCK_SECONDS
        return [tenant for tenant, time in self._move_times.items() if time <= since]

    @property
    def _busy_count(self) -> int:
        return self._count - self._calls.limited_count

    def _busy_count_of(self, tenant: str) -> int:
        jobs = self._in_flight.get(tenant, Counter())
        return sum(max(0, count - self._calls.limited_count_of(job_id)) for job_id, count in jobs.items())
