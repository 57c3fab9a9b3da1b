"""Buckets in Redis, with this worker's own part of each limit while Redis is slow or away."""

import time
from collections.abc import Callable, Sequence

from services.shared.setting_types import ModelLimit
from services.worker.calls.breaker import Breaker
from services.worker.calls.rate_limits.buckets import Buckets, Returned, Taken
from services.worker.calls.rate_limits.gcra import gcra_limit
from services.worker.calls.rate_limits.memory_buckets import MemoryBuckets
from services.worker.calls.shared_fallback import SharedFallback


class SharedBuckets:
    """Takes from shared buckets. While they fail, each live worker takes from its own part of a limit.

    Args:
        shared: Asked first. None if this process shares with nobody: it then has the whole of each limit.
        worker_count: Returns the number of live workers.
        clock: Monotonic clock, in seconds.
        breaker: Decides whether the shared buckets can be asked. None for one of its own.
    """

    def __init__(
        self,
        shared: Buckets | None,
        worker_count: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        breaker: Breaker | None = None,
    ) -> None:
        part_count = worker_count if shared is not None else lambda: 1
        self._fallback = SharedFallback(shared, breaker or Breaker(worker_count, clock), part_count)
        self._own = MemoryBuckets(clock)

    async def take(self, key: str, limit: ModelLimit, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests with their tokens. It never fails. See ``Buckets``."""
        return await self._fallback.ask(
            lambda shared: shared.take(key, gcra_limit(limit), costs, returned),
            lambda worker_count: self._own.take(key, gcra_limit(limit, worker_count), costs, returned),
        )

    async def close(self) -> None:
        """Closes the connections. Safe to repeat."""
        await self._fallback.close()
