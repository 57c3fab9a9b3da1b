"""Slots for calls in flight on this worker: a limit for all models together, and one for each model."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

from services.shared.waiting_queue import Waiter, WaitingQueue
from services.worker.calls.concurrency import ConcurrencyLimit, SharedLimits

# Models whose limits are remembered while they are idle. Clients may name any number of models.
_MAX_MODELS = 200
# Calls that may wait for slots of a reduced limit, as a part of it. They fill slots that become free at once.
_WAITING_PART = 1 / 8
# Part of a limit up to which the calls of a tenant go before those of tenants with more.
_FIRST_PART = 1 / 8
_FIRST_RANK = -1_000_000_000


class CallSlots:
    """Grants slots to calls. Calls without one wait. The lowest rank goes first, then the earliest.

    A tenant with few calls in flight goes before all others. Otherwise the later calls of a tenant whose
    items make many would always go before its first one.

    Args:
        limit: Maximum calls in flight, of all models together. It is also the ceiling of each model.
        clock: Monotonic clock, in seconds.
        shared: Shares the limits of models with other workers. None for limits of this worker alone.
        ceiling: Returns the ceiling of a model, if it is below that of the worker.
    """

    def __init__(
        self,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        shared: SharedLimits | None = None,
        ceiling: Callable[[str], int | None] = lambda model: None,
    ) -> None:
        self._limit = limit
        self._shared = shared
        self._ceiling = ceiling
        if shared is not None:
            shared.serve(self._is_short, self._grant_free_slots)
        self._clock = clock
        self._free_count = limit
        self._models: dict[str, ConcurrencyLimit] = {}
        self._queues: dict[str, WaitingQueue[None]] = {}
        self._arrivals = count()
        self._tenant_counts: Counter[tuple[str, str]] = Counter()  # calls in flight, by model and tenant

    def of(self, model: str) -> ConcurrencyLimit:
        """Returns the limit of a model."""
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = ConcurrencyLimit(
                model, min(self._limit, self._ceiling(model) or self._limit), self._clock
            )
            self._queues[model] = WaitingQueue(self._arrivals)
        return found

    def restart(self, model: str) -> None:
        """Restarts the limit of a model from few calls, if the model is known."""
        if model in self._models:
            self._models[model].restart()

    def free_count(self, model: str) -> int:
        """Returns how many more calls of a model could begin now."""
        concurrency = self._models.get(model)
        own = self._limit if concurrency is None else concurrency.limit - concurrency.in_use_count
        return max(0, min(self._free_count, own))

    def is_full(self, model: str) -> bool:
        """Returns whether the model's own limit is reduced and has no free slot."""
        concurrency = self._models.get(model)
        return concurrency is not None and concurrency.is_reduced and not concurrency.has_capacity

    def is_crowded(self, model: str) -> bool:
        """Returns whether enough calls wait because the model's own limit is reduced."""
        concurrency = self._models.get(model)
        if concurrency is None or not concurrency.is_reduced:
            return False
        return len(self._queues[model]) > int(concurrency.limit * _WAITING_PART)

    def hold(self, model: str, seconds: float) -> None:
        """Keeps a slot of the model's own limit after a call has ended.

        Other models may use the worker's slot meanwhile.
        """
        self.of(model).held_count += 1
        asyncio.get_running_loop().call_later(seconds, self._end_hold, model)

    @asynccontextmanager
    async def take(self, model: str, rank: int, tenant: str = "") -> AsyncIterator[bool]:
        """Holds a slot for the block, and yields whether the call waited for it."""
        concurrency = self.of(model)
        release = partial(self._release, model)
        waits = not self.free_count(model)
        if self._shared is not None:
            self._shared.note_use(model, concurrency, is_short=not concurrency.has_capacity)
        if waits:
            await self._wait(model, self._fair_rank(model, rank, tenant), release)
        else:
            self._occupy(model)
        self._tenant_counts[model, tenant] += 1
        try:
            yield waits
        finally:
            self._tenant_counts[model, tenant] -= 1
            if not self._tenant_counts[model, tenant]:
                del self._tenant_counts[model, tenant]
            release()

    def _fair_rank(self, model: str, rank: int, tenant: str) -> int:
        """Returns the rank of a call that waits; a tenant with few calls next to others goes first."""
        concurrency, tenant_count = self._models[model], self._tenant_counts[model, tenant]
        is_alone = self._limit - self._free_count <= tenant_count
        limit = min(self._limit, concurrency.limit)
        return rank if is_alone or tenant_count >= max(1, limit * _FIRST_PART) else _FIRST_RANK + rank

    async def _wait(self, model: str, rank: int, release: Callable[[], None]) -> None:
        try:
            await self._queues[model].wait(rank, give_back=release)
        except BaseException:
            self._forget_idle(model)
            raise

    def _is_short(self, model: str) -> bool:
        """Returns whether calls wait for the model's own limit."""
        concurrency = self._models.get(model)
        return concurrency is not None and not concurrency.has_capacity and len(self._queues[model]) > 0

    def _occupy(self, model: str) -> None:
        self._free_count -= 1
        self._models[model].in_flight_count += 1

    def _release(self, model: str) -> None:
        self._free_count += 1
        self._models[model].in_flight_count -= 1
        self._grant_free_slots()
        self._forget_idle(model)

    def _end_hold(self, model: str) -> None:
        self._models[model].held_count -= 1
        self._grant_free_slots()
        self._forget_idle(model)

    def _grant_free_slots(self) -> None:
        while self._free_count and (found := self._find_next()) is not None:
            next_model, waiter = found
            self._occupy(next_model)  # the slot changes hands
            self._queues[next_model].grant(waiter, None)

    def _forget_idle(self, model: str) -> None:
        """Drops a model without any call, and the model that has been idle longest if there are many.

        A model that no call says anything about goes first: names that do not exist displace no real model.
        """
        if not self._is_idle(model):
            return
        concurrency, queue = self._models.pop(model), self._queues.pop(model)
        if not concurrency.has_history:
            return
        self._models[model], self._queues[model] = concurrency, queue  # the last to be dropped
        if len(self._models) > _MAX_MODELS:
            idle = [name for name in self._models if self._is_idle(name)]
            dropped = next((name for name in idle if not self._models[name].is_known), idle[0])
            del self._models[dropped], self._queues[dropped]

    def _is_idle(self, model: str) -> bool:
        concurrency = self._models.get(model)
        return concurrency is not None and not concurrency.in_use_count and self._queues[model].first is None

    def _find_next(self) -> tuple[str, Waiter[None]] | None:
        """Returns the next waiter whose model has capacity, with its model."""
        candidates = [
            (waiter.rank, waiter.arrival, model, waiter)
            for model, queue in self._queues.items()
            if (waiter := queue.first) is not None and self._models[model].has_capacity
        ]
        return min(candidates)[2:] if candidates else None
