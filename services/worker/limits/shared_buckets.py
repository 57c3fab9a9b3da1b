"""Buckets on Redis, with a worker's own part of each limit where Redis is slow or gone."""

import asyncio
import time
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from services.shared.logging import get_logger
from services.shared.setting_types import ModelLimit
from services.worker.limits.buckets import Buckets, Returned, Taken
from services.worker.limits.memory_buckets import MemoryBuckets
from services.worker.limits.rates import rates_of
from services.worker.limits.redis_buckets import CALL_SECONDS
from services.worker.metrics import LIMITS_APART

log = get_logger(__name__)

# After a failure Redis is left alone for so long, in seconds.
REST_SECONDS = 2.0
# A failure that is older than this says nothing about now: nobody has asked since.
STALE_SECONDS = 10.0
NOTHING = Returned()


class SharedBuckets:
    """Takes from shared buckets; where they fail, from this worker's own, as one of the live workers.

    A call waits for 250 ms at most, and after a failure none is made for 2 s. The log says a change once.

    Args:
        shared: Asked first; None: there is nobody to share with.
        worker_count: Gives how many workers live.
        clock: Gives seconds that never go back.
    """

    def __init__(
        self,
        shared: Buckets | None,
        worker_count: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._worker_count = worker_count
        self._clock = clock
        self._own = MemoryBuckets(clock)
        self._failing = False
        self._rests_until = self._failure_time = float("-inf")

    @property
    def are_apart(self) -> bool:
        """Whether the shared buckets could not be asked just now."""
        return self._failing and self._clock() - self._failure_time < STALE_SECONDS

    async def take(self, key: str, limit: ModelLimit, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests with their tokens; see Buckets. It never fails."""
        if self._shared is None:
            return await self._own.take(key, rates_of(limit), costs, returned)
        if self._clock() >= self._rests_until:
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    taken = await self._shared.take(key, rates_of(limit), costs, returned)
            except (RedisError, OSError) as error:  # TimeoutError is one of them
                self._note_failure(error)
            else:
                self._note_success()
                return taken
        self._failure_time = self._clock()
        rates = rates_of(limit, max(1, self._worker_count()))
        return await self._own.take(key, rates, costs, returned)

    async def close(self) -> None:
        """Lets go of connections. Safe to repeat."""
        if self._shared is not None:
            await self._shared.close()

    def _note_failure(self, error: Exception) -> None:
        self._rests_until = self._clock() + REST_SECONDS
        if not self._failing:
            self._failing = True
            LIMITS_APART.set(1)
            log.warning("limits_not_shared", error=type(error).__name__, worker_count=self._worker_count())

    def _note_success(self) -> None:
        if self._failing:
            self._failing = False
            LIMITS_APART.set(0)
            log.info("limits_shared_again")
