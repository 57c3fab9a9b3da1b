"""Limits on a tenant's calls in flight, over the whole fleet."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

from services.shared.setting_types import MEMORY
from services.worker.calls.breaker import Breaker
from services.worker.calls.shared_slots.redis_pools import RedisPools
from services.worker.calls.shared_slots.shared_pools import SharedPools
from services.worker.calls.shared_slots.slots import SharedSlots, SlotHolder, SlotPool
from services.worker.metrics import TENANT_LIMIT, TENANT_SLOTS, tenant_label

ANY_TENANT = "*"
MAX_TENANTS = 1000  # beyond this number, idle tenants are dropped


class TenantSlotRegistry:
    """The slots of each tenant on this worker. They are created when first asked for.

    Args:
        limits: Limits by tenant. ``*`` applies to tenants without an entry. If empty, nothing is limited and
            the pools are never asked.
        pools: Source of slots.
        holder: This process.
    """

    def __init__(self, limits: Mapping[str, int], pools: SharedPools, holder: SlotHolder) -> None:
        self._limits = limits
        self._pools = pools
        self._holder = holder
        self._demand: Callable[[str], int] = lambda tenant: 0
        self._changed: Callable[[], None] = lambda: None
        self._slots: dict[str, SharedSlots] = {}

    def __bool__(self) -> bool:
        return bool(self._limits)

    @property
    def waiting_count(self) -> int:
        """Number of calls that wait for a slot of their tenant."""
        return sum(slots.waiting_count for slots in self._slots.values())

    def serve(self, demand: Callable[[str], int], changed: Callable[[], None]) -> None:
        """Asks for slots not only for calls, but also for items that wait to start.

        Args:
            demand: Returns the number of a tenant's items that want to make calls, including those at work.
            changed: Called when more items may start.
        """
        self._demand, self._changed = demand, changed

    def of(self, tenant: str) -> SharedSlots | None:
        """Returns the slots of a tenant. None if it has no limit."""
        slots = self._slots.get(tenant)
        limit = self._limits.get(tenant) or self._limits.get(ANY_TENANT)
        if slots is None and limit is not None:
            if len(self._slots) >= MAX_TENANTS:
                self._slots = {name: kept for name, kept in self._slots.items() if not kept.is_idle}
            key = hashlib.sha256(tenant.encode()).hexdigest()[:32]
            TENANT_LIMIT.labels(tenant_label(tenant)).set(limit)
            slots = self._slots[tenant] = SharedSlots(
                self._pools,
                SlotPool(key, limit, TENANT_SLOTS.labels(tenant_label(tenant))),
                self._holder,
                demand=partial(self._demand_of, tenant),
                changed=self._notify_changed,
            )
        return slots

    async def close(self) -> None:
        """Releases all slots and closes the connections. Safe to repeat."""
        for slots in self._slots.values():
            await slots.close()
        await self._pools.close()

    def _demand_of(self, tenant: str) -> int:
        return self._demand(tenant)

    def _notify_changed(self) -> None:
        self._changed()


def open_tenant_slots(
    limits: Mapping[str, int],
    redis_url: str,
    holder: str,
    call_limit: int,
    *,
    worker_count: Callable[[], int] = lambda: 1,
    breaker: Breaker | None = None,
) -> TenantSlotRegistry:
    """Returns the tenant slots of a worker. It connects when first needed.

    Args:
        limits: Limits by tenant.
        redis_url: ``memory://`` for this worker's part alone, or ``redis://...`` to share with other workers.
        holder: Unique name of this process.
        call_limit: Maximum calls in flight in this process.
        worker_count: Returns the number of live workers. Each takes its part while Redis cannot be asked.
        breaker: Decides whether Redis can be asked. None for one of its own.
    """
    shared = None if redis_url == MEMORY or not limits else RedisPools(redis_url)
    pools = SharedPools(shared, breaker or Breaker(worker_count), worker_count)
    return TenantSlotRegistry(limits, pools, SlotHolder(holder, call_limit))
