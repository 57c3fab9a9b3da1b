"""RateLimits of the calls that a tenant's jobs have under way at once, over the whole fleet."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

from services.shared.setting_types import MEMORY
from services.worker.calls.rate_limits.breaker import Breaker
from services.worker.calls.tenant_slots.redis_pools import RedisPools
from services.worker.calls.tenant_slots.shared_pools import SharedPools
from services.worker.calls.tenant_slots.slots import TenantSlots
from services.worker.metrics import TENANT_LIMIT, tenant_label

ANY_TENANT = "*"
MAX_TENANTS = 1000  # beyond so many the idle ones are forgotten


class TenantSlotRegistry:
    """The slots of each tenant on this worker, made when its calls are first asked for.

    Args:
        limits: By tenant; ``*`` for those without an own entry. Empty: nothing is limited, nobody is asked.
        pools: Where slots come from.
        holder: Names this process among those that share.
        most: Calls that this process could make at once.
    """

    def __init__(self, limits: Mapping[str, int], pools: SharedPools, holder: str, most: int) -> None:
        self._limits = limits
        self._pools = pools
        self._holder = holder
        self._most = most
        self._demand: Callable[[str], int] = lambda tenant: 0
        self._changed: Callable[[], None] = lambda: None
        self._slots: dict[str, TenantSlots] = {}

    def __bool__(self) -> bool:
        return bool(self._limits)

    @property
    def waiting_count(self) -> int:
        """Calls that wait for a place of their tenant."""
        return sum(slots.waiting_count for slots in self._slots.values())

    def serve(self, demand: Callable[[str], int], changed: Callable[[], None]) -> None:
        """Has slots asked for also for what waits outside of calls.

        Args:
            demand: Gives how many items of a tenant want to make calls, those at work included.
            changed: Called when more may start.
        """
        self._demand, self._changed = demand, changed

    def of(self, tenant: str) -> TenantSlots | None:
        """Returns the slots of a tenant, None where it has no limit."""
        slots = self._slots.get(tenant)
        limit = self._limits.get(tenant) or self._limits.get(ANY_TENANT)
        if slots is None and limit is not None:
            if len(self._slots) >= MAX_TENANTS:
                self._slots = {name: kept for name, kept in self._slots.items() if not kept.is_idle}
            key = hashlib.sha256(tenant.encode()).hexdigest()[:32]
            TENANT_LIMIT.labels(tenant_label(tenant)).set(limit)
            slots = self._slots[tenant] = TenantSlots(
                self._pools,
                key,
                holder=self._holder,
                tenant=tenant,
                limit=limit,
                most=self._most,
                demand=partial(self._demand_of, tenant),
                changed=self._may_start_more,
            )
        return slots

    async def close(self) -> None:
        """Gives slots back and lets go of connections. Safe to repeat."""
        for slots in self._slots.values():
            await slots.close()
        await self._pools.close()

    def _demand_of(self, tenant: str) -> int:
        return self._demand(tenant)

    def _may_start_more(self) -> None:
        self._changed()


def open_tenant_slots(
    limits: Mapping[str, int],
    redis_url: str,
    holder: str,
    most: int,
    *,
    worker_count: Callable[[], int] = lambda: 1,
    breaker: Breaker | None = None,
) -> TenantSlotRegistry:
    """Returns the limits of a worker; a connection is made when first needed.

    Args:
        limits: By tenant.
        redis_url: ``memory://`` (this process takes its part) or ``redis://...`` (shared).
        holder: Names this process among those that share.
        most: Calls that this process could make at once.
        worker_count: Gives how many workers live: each takes its part where Redis cannot be asked.
        breaker: Knows whether Redis can be asked; None: one of its own.
    """
    shared = None if redis_url == MEMORY or not limits else RedisPools(redis_url)
    pools = SharedPools(shared, breaker or Breaker(worker_count), worker_count)
    return TenantSlotRegistry(limits, pools, holder, most)


__all__ = ["TenantSlotRegistry", "TenantSlots", "open_tenant_slots"]
