"""Buckets of a single process."""

import time
from collections.abc import Callable, Sequence
from math import floor

from services.worker.calls.rate_limits.buckets import Returned, Taken
from services.worker.calls.rate_limits.gcra import GcraLimit


class MemoryBuckets:
    """Buckets in the memory of this process. They compute what the script in ``redis_buckets`` computes.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Microseconds at which the next request and the next token are due, by key.
        self._due: dict[str, tuple[int, int]] = {}

    async def take(self, key: str, limit: GcraLimit, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests in order, each together with its tokens. See ``Buckets``."""
        now = round(self._clock() * 1e6)
        requests, tokens = (max(now, due) for due in self._due.get(key, (now, now)))
        requests = max(now, requests - floor(returned.request_count * limit.request_period))
        tokens = max(now, tokens - floor(returned.token_count * limit.token_period))
        count, late = 0, 0.0
        for cost in costs:
            time_of_tokens = floor(cost * limit.token_period)
            late = max(
                requests + limit.request_period - limit.request_burst - now,
                tokens + min(time_of_tokens, limit.token_burst) - limit.token_burst - now,
            )
            if late > 0:
                break
            requests += floor(limit.request_period)
            tokens += time_of_tokens
            count += 1
        self._due[key] = requests, tokens
        return Taken(count, max(late, 0.0) / 1e6)

    async def close(self) -> None:
        """Does nothing: there are no connections."""
