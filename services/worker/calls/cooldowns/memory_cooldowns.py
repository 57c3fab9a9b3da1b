"""Cool-downs of a single process."""

import time
from collections.abc import Callable


class MemoryCooldowns:
    """Cool-downs in the memory of this process.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}

    def remaining(self, key: str) -> float:
        """Returns the rest of a cool-down, in seconds. 0 if there is none."""
        end = self._ends.get(key)
        if end is None:
            return 0.0
        left = end - self._clock()
        if left <= 0:
            del self._ends[key]
            return 0.0
        return left

    def longest(self) -> float:
        """Returns the rest of the longest cool-down, in seconds. 0 if there is none."""
        return max((self.remaining(key) for key in list(self._ends)), default=0.0)

    def hold(self, key: str, seconds: float) -> None:
        """Starts a cool-down. It never shortens a longer one."""
        self._ends[key] = max(self._clock() + seconds, self._ends.get(key, 0.0))

    async def close(self) -> None:
        """Does nothing: there is no background work."""
