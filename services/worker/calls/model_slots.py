"""Limits on a model's calls in flight, over the whole fleet, as set by hand."""

import hashlib
from collections.abc import Callable, Mapping

from services.shared.setting_types import MEMORY, ModelLimit
from services.worker.calls.breaker import Breaker
from services.worker.calls.rate_limits import ANY_MODEL, provider_account
from services.worker.calls.shared_slots.redis_pools import RedisPools
from services.worker.calls.shared_slots.shared_pools import SharedPools
from services.worker.calls.shared_slots.slots import SharedSlots, SlotHolder, SlotPool

# Clients name models: beyond this number, idle ones are dropped.
MAX_MODELS = 1000
# Calls that may wait for slots of a model, as a part of its limit. They fill slots that become free at once.
_WAITING_PART = 1 / 8


class ModelSlots:
    """The slots of each model with a limit on this worker. They are created when first asked for.

    Args:
        limits: Limits by model. ``*`` applies to models without an entry. If none limits the calls in flight,
            the pools are never asked.
        pools: Source of slots.
        holder: This process.
        provider: Name of the provider.
    """

    def __init__(
        self, limits: Mapping[str, ModelLimit], pools: SharedPools, holder: SlotHolder, provider: str
    ) -> None:
        self._limits = limits
        self._pools = pools
        self._holder = holder
        self._provider = provider
        self._slots: dict[str, SharedSlots] = {}

    @property
    def waiting_count(self) -> int:
        """Number of calls that wait for a slot of their model."""
        return sum(slots.waiting_count for slots in self._slots.values())

    def limit(self, model: str) -> int | None:
        """Returns the limit of a model. None if it has none."""
        found = self._limits.get(model) or self._limits.get(ANY_MODEL)
        return found.concurrency if found is not None else None

    def of(self, model: str) -> SharedSlots | None:
        """Returns the slots of a model. None if it has no limit."""
        slots = self._slots.get(model)
        if slots is None and (limit := self.limit(model)) is not None:
            if len(self._slots) >= MAX_MODELS:
                self._slots = {name: kept for name, kept in self._slots.items() if not kept.is_idle}
            text = "\n".join(("model", self._provider, provider_account(), model))
            key = hashlib.sha256(text.encode()).hexdigest()[:32]
            slots = self._slots[model] = SharedSlots(
                self._pools,
                SlotPool(key, limit),
                self._holder,
                demand=lambda: limit if self.is_crowded(model) else 0,
                changed=lambda: None,
            )
        return slots

    def is_crowded(self, model: str) -> bool:
        """Returns whether enough calls wait for a slot of a model."""
        slots = self._slots.get(model)
        return slots is not None and slots.waiting_count > int((self.limit(model) or 0) * _WAITING_PART)

    async def close(self) -> None:
        """Releases all slots and closes the connections. Safe to repeat."""
        for slots in self._slots.values():
            await slots.close()
        await self._pools.close()


def open_model_slots(
    limits: Mapping[str, ModelLimit],
    redis_url: str,
    holder: SlotHolder,
    provider: str,
    *,
    worker_count: Callable[[], int] = lambda: 1,
    breaker: Breaker | None = None,
) -> ModelSlots:
    """Returns the slots of models of a worker. They connect when first needed.

    Args:
        limits: Limits by model.
        redis_url: ``memory://`` for this worker's part alone, or ``redis://...`` to share with other workers.
        holder: This process.
        provider: Name of the provider.
        worker_count: Returns the number of live workers. Each takes its part while Redis cannot be asked.
        breaker: Decides whether Redis can be asked. None for one of its own.
    """
    is_limited = any(limit.concurrency is not None for limit in limits.values())
    shared = RedisPools(redis_url) if is_limited and redis_url != MEMORY else None
    pools = SharedPools(shared, breaker or Breaker(worker_count), worker_count)
    return ModelSlots(limits, pools, holder, provider)
