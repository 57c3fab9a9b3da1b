"""What is left of the limits of a single process."""

import time
from collections.abc import Callable, Sequence
from math import floor

from services.worker.calls.rate_limits.buckets import Returned, Taken
from services.worker.calls.rate_limits.gcra import Rates


class MemoryBuckets:
    """Buckets that only this process knows. They reckon as the script in ``redis_buckets`` does.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, tuple[int, int]] = {}  # microseconds: when the next request and token are due

    async def take(self, key: str, rates: Rates, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests, each with its tokens or not at all, the first ones first; see Buckets."""
        now = round(self._clock() * 1e6)
        requests, tokens = (max(now, due) for due in self._due.get(key, (now, now)))
        requests = max(now, requests - floor(returned.request_count * rates.request_period))
        tokens = max(now, tokens - floor(returned.token_count * rates.token_period))
        count, late = 0, 0.0
        for cost in costs:
            time_of_tokens = floor(cost * rates.token_period)
            late = max(
                requests + rates.request_period - rates.request_burst - now,
                tokens + min(time_of_tokens, rates.token_burst) - rates.token_burst - now,
            )
            if late > 0:
                break
            requests += floor(rates.request_period)
            tokens += time_of_tokens
            count += 1
        self._due[key] = requests, tokens
        return Taken(count, max(late, 0.0) / 1e6)

    async def close(self) -> None:
        """Does nothing: there are no connections."""
