"""Cool-downs of a single process."""

import time
from collections.abc import Callable


class MemoryCooldowns:
    """Cool-downs that only this process knows.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def remaining(self, key: str) -> float:
        """Returns the seconds still to wait; 0 where nothing is known."""
        until = self._until.get(key)
        if until is None:
            return 0.0
        left = until - self._clock()
        if left <= 0:
            del self._until[key]
            return 0.0
        return left

    def longest(self) -> float:
        """Returns the seconds of the longest cool-down; 0: there is none."""
        return max((self.remaining(key) for key in list(self._until)), default=0.0)

    def hold(self, key: str, seconds: float) -> None:
        """Starts a cool-down. It never shortens one that lasts longer already."""
        self._until[key] = max(self._clock() + seconds, self._until.get(key, 0.0))

    async def close(self) -> None:
        """Does nothing: nothing runs in the background."""
