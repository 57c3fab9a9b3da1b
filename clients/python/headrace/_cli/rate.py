"""The rate at which a count grows."""

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
        """Takes the count as it is at a moment, in seconds of any clock that does not go back."""
        self._samples.append((now, count))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._window:
            self._samples.popleft()

    def per_second(self, now: float) -> float | None:
        """Returns the rate up to a moment, or None while too little is known."""
        if not self._samples:
            return None
        (start, first), (_end, last) = self._samples[0], self._samples[-1]
        if now - start < 0.2 or last == first:
            return None
        return (last - first) / (now - start)
