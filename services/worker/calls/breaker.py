"""Circuit breaker in front of Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from services.shared.degradation import Degradation
from services.shared.logging import get_logger
from services.worker.calls.redis_client import SCRIPT_TIMEOUT_SECONDS
from services.worker.metrics import LIMITS_DEGRADED

log = get_logger(__name__)
T = TypeVar("T")

# Pause after a failed call, in seconds.
REST_SECONDS = 2.0
# An older failure says nothing about the present, because nobody has asked since. In seconds.
STALE_SECONDS = 10.0


class Breaker:
    """Decides whether the fleet's limits in Redis can be asked. A worker has one for all of its limits.

    A call waits for at most 250 ms. After a failure no call is made for 2 s. Each change is logged once.

    Args:
        worker_count: Returns the number of live workers.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, worker_count: Callable[[], int] = lambda: 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker_count = worker_count
        self._clock = clock
        self._degradation = Degradation(log, "limits", REST_SECONDS, clock=clock, gauge=LIMITS_DEGRADED)
        self._failure_time = self._opening_time = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether the latest call failed or was skipped, within the last 10 s."""
        return self._degradation.is_degraded and self._clock() - self._failure_time < STALE_SECONDS

    @property
    def open_seconds(self) -> float:
        """Time since the breaker opened, in seconds. 0.0 if it is closed."""
        return self._clock() - self._opening_time if self.is_open else 0.0

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Returns the reply of Redis. None if the call fails or is skipped.

        Args:
            ask: Makes the call.
        """
        if not self._degradation.is_resting:
            try:
                async with asyncio.timeout(SCRIPT_TIMEOUT_SECONDS):
                    reply = await ask()
            except (RedisError, OSError) as error:  # TimeoutError is an OSError
                self._note_failure(error)
            else:
                self._degradation.note_success()
                return reply
        self._failure_time = self._clock()
        return None

    def _note_failure(self, error: Exception) -> None:
        if not self.is_open:
            self._opening_time = self._clock()
        self._degradation.note_failure(error=type(error).__name__, worker_count=self._worker_count())
