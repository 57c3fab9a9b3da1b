"""Places of calls under way: so many of all models, and so many of each."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from services.worker.calls.concurrency_limit import Concurrency


class CallSlots:
    """Gives slots to calls; those without one wait, the lowest rank first.

    Args:
        limit: Calls under way at most, of all models; each model starts with as many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free_count = limit
        self._models: dict[str, Concurrency] = {}
        self._waiting: dict[str, list[tuple[int, int, asyncio.Future[None]]]] = {}
        self._arrivals = count()

    def of(self, model: str) -> Concurrency:
        """Returns the limit of a model."""
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = Concurrency(model, self._limit)
            self._waiting[model] = []
        return found

    def free_count(self, model: str) -> int:
        """Returns how many more calls of a model could begin at once."""
        concurrency = self._models.get(model)
        own = self._limit if concurrency is None else concurrency.limit - concurrency.under_way_count
        return max(0, min(self._free_count, own))

    def is_crowded(self, model: str) -> bool:
        """Returns whether calls wait because the model's own limit is cut."""
        concurrency = self._models.get(model)
        if concurrency is None or concurrency.limit == self._limit:
            return False
        return any(not t.done() for *_, t in self._waiting[model])

    @asynccontextmanager
    async def take(self, model: str, rank: int) -> AsyncIterator[bool]:
        """Holds a slot; gives whether it had to be waited for."""
        self.of(model)
        waits = not self.free_count(model)
        if waits:
            await self._wait(model, rank)
        else:
            self._occupy(model)
        try:
            yield waits
        finally:
            self._release(model)

    async def _wait(self, model: str, rank: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting[model], (rank, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # got its slot and was cancelled at once
                self._release(model)
            raise

    def _occupy(self, model: str) -> None:
        self._free_count -= 1
        self._models[model].under_way_count += 1

    def _release(self, model: str) -> None:
        self._free_count += 1
        self._models[model].under_way_count -= 1
        while self._free_count and (following := self._next_model()) is not None:
            *_, turn = heapq.heappop(self._waiting[following])
            if not turn.done():
                self._occupy(following)  # the slot changes hands
                turn.set_result(None)
        self._forget_idle(model)

    def _forget_idle(self, model: str) -> None:
        """Lets go of a model of which there is nothing to know: clients name as many as they like."""
        concurrency = self._models.get(model)
        if concurrency and concurrency.is_idle and not self._waiting[model]:
            del self._models[model], self._waiting[model]

    def _next_model(self) -> str | None:
        """Returns the model of the call that is next, of those that may have more under way."""
        candidates = [
            (*waiting[0][:2], model)
            for model, waiting in self._waiting.items()
            if waiting and self._models[model].has_capacity
        ]
        return min(candidates)[2] if candidates else None
