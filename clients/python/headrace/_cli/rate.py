"""Measures the growth of a count."""

from collections import deque


class RateMeter:
    """Growth per second of a count over the last seconds.

    Args:
        window: Seconds to look back.
    """

    def __init__(self, window: float = 10.0) -> None:
        self._window = window
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, count: int) -> None:
        """Adds the count at a moment of a monotonic clock, in seconds."""
        self._samples.append((now, count))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._window:
            self._samples.popleft()

    def per_second(self, now: float) -> float | None:
        """Returns the rate up to a moment, or None with too few samples."""
        if not self._samples:
            return None
        (start, first), (_end, last) = self._samples[0], self._samples[-1]
        if now - start < 0.2 or last == first:
            return None
        return (last - first) / (now - start)
