"""Leaving Redis alone after it failed, and saying so once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from services.shared.logging import get_logger
from services.worker.calls.rate_limits.redis_buckets import CALL_SECONDS
from services.worker.metrics import LIMITS_DEGRADED

log = get_logger(__name__)
T = TypeVar("T")

# After a failure Redis is left alone for so long, in seconds.
REST_SECONDS = 2.0
# A failure that is older than this says nothing about now: nobody has asked since.
STALE_SECONDS = 10.0


class Breaker:
    """Whether the limits of the whole fleet can be asked. One for all of a worker's limits.

    A call waits for 250 ms at most, and after a failure none is made for 2 s. The log says a change once.

    Args:
        worker_count: Gives how many workers live.
        clock: Gives seconds that never go back.
    """

    def __init__(
        self, worker_count: Callable[[], int] = lambda: 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker_count = worker_count
        self._clock = clock
        self._failing = False
        self._rests_until = self._failure_time = self._failing_since = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether Redis could not be asked just now."""
        return self._failing and self._clock() - self._failure_time < STALE_SECONDS

    @property
    def open_seconds(self) -> float:
        """For how long it could not be asked; 0.0: it could."""
        return self._clock() - self._failing_since if self.is_open else 0.0

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Returns what an ask gives; None where it fails, or where Redis is left alone."""
        now = self._clock()
        if now >= self._rests_until:
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    answer = await ask()
            except (RedisError, OSError) as error:  # TimeoutError is one of them
                self._note_failure(error)
            else:
                self._note_success()
                return answer
        self._failure_time = self._clock()
        return None

    def _note_failure(self, error: Exception) -> None:
        now = self._clock()
        self._rests_until = now + REST_SECONDS
        if not self.is_open:
            self._failing_since = now
        if not self._failing:
            self._failing = True
            LIMITS_DEGRADED.set(1)
            log.warning("limits_degraded", error=type(error).__name__, worker_count=self._worker_count())

    def _note_success(self) -> None:
        if self._failing:
            self._failing = False
            LIMITS_DEGRADED.set(0)
            log.info("limits_restored")
