"""Slots for calls in flight on this worker: a limit for all models together, and one for each model."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

from services.shared.waiting_queue import Waiter, WaitingQueue
from services.worker.calls.concurrency_limit import ConcurrencyLimit


class CallSlots:
    """Grants slots to calls. Calls without one wait. The lowest rank goes first, then the earliest.

    Args:
        limit: Maximum calls in flight, of all models together. Each model starts with the same limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free_count = limit
        self._models: dict[str, ConcurrencyLimit] = {}
        self._queues: dict[str, WaitingQueue[None]] = {}
        self._arrivals = count()

    def of(self, model: str) -> ConcurrencyLimit:
        """Returns the limit of a model."""
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = ConcurrencyLimit(model, self._limit)
            self._queues[model] = WaitingQueue(self._arrivals)
        return found

    def free_count(self, model: str) -> int:
        """Returns how many more calls of a model could begin now."""
        concurrency = self._models.get(model)
        own = self._limit if concurrency is None else concurrency.limit - concurrency.in_flight_count
        return max(0, min(self._free_count, own))

    def is_crowded(self, model: str) -> bool:
        """Returns whether calls wait because the model's own limit is reduced."""
        concurrency = self._models.get(model)
        if concurrency is None or concurrency.limit == self._limit:
            return False
        return len(self._queues[model]) > 0

    @asynccontextmanager
    async def take(self, model: str, rank: int) -> AsyncIterator[bool]:
        """Holds a slot for the block, and yields whether the call waited for it."""
        self.of(model)
        release = partial(self._release, model)
        waits = not self.free_count(model)
        if waits:
            await self._wait(model, rank, release)
        else:
            self._occupy(model)
        try:
            yield waits
        finally:
            release()

    async def _wait(self, model: str, rank: int, release: Callable[[], None]) -> None:
        try:
            await self._queues[model].wait(rank, give_back=release)
        except BaseException:
            self._forget_idle(model)
            raise

    def _occupy(self, model: str) -> None:
        self._free_count -= 1
        self._models[model].in_flight_count += 1

    def _release(self, model: str) -> None:
        self._free_count += 1
        self._models[model].in_flight_count -= 1
        while self._free_count and (found := self._find_next()) is not None:
            next_model, waiter = found
            self._occupy(next_model)  # the slot changes hands
            self._queues[next_model].grant(waiter, None)
        self._forget_idle(model)

    def _forget_idle(self, model: str) -> None:
        """Drops a model with nothing to remember, because clients may name any number of models."""
        concurrency = self._models.get(model)
        if concurrency and concurrency.is_idle and self._queues[model].first is None:
            del self._models[model], self._queues[model]

    def _find_next(self) -> tuple[str, Waiter[None]] | None:
        """Returns the next waiter whose model has capacity, with its model."""
        candidates = [
            (waiter.rank, waiter.arrival, model, waiter)
            for model, queue in self._queues.items()
            if (waiter := queue.first) is not None and self._models[model].has_capacity
        ]
        return min(candidates)[2:] if candidates else None
