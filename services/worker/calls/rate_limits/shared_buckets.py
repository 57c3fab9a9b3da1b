"""Buckets on Redis, with a worker's own part of each limit where Redis is slow or gone."""

import time
from collections.abc import Callable, Sequence

from services.shared.setting_types import ModelLimit
from services.worker.calls.rate_limits.breaker import Breaker
from services.worker.calls.rate_limits.buckets import Buckets, Returned, Taken
from services.worker.calls.rate_limits.gcra import rates_of
from services.worker.calls.rate_limits.memory_buckets import MemoryBuckets

NOTHING = Returned()


class SharedBuckets:
    """Takes from shared buckets; where they fail, from this worker's own, as one of the live workers.

    Args:
        shared: Asked first; None: there is nobody to share with.
        worker_count: Gives how many workers live.
        clock: Gives seconds that never go back.
        breaker: Knows whether the shared buckets can be asked; None: one of its own.
    """

    def __init__(
        self,
        shared: Buckets | None,
        worker_count: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        breaker: Breaker | None = None,
    ) -> None:
        self._shared = shared
        self._worker_count = worker_count
        self._own = MemoryBuckets(clock)
        self._breaker = breaker or Breaker(worker_count, clock)

    @property
    def are_apart(self) -> bool:
        """Whether the shared buckets could not be asked just now."""
        return self._breaker.is_open

    async def take(self, key: str, limit: ModelLimit, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests with their tokens; see Buckets. It never fails."""
        if self._shared is None:
            return await self._own.take(key, rates_of(limit), costs, returned)
        shared = self._shared
        taken = await self._breaker.call(lambda: shared.take(key, rates_of(limit), costs, returned))
        if taken is not None:
            return taken
        rates = rates_of(limit, max(1, self._worker_count()))
        return await self._own.take(key, rates, costs, returned)

    async def close(self) -> None:
        """Lets go of connections. Safe to repeat."""
        if self._shared is not None:
            await self._shared.close()
