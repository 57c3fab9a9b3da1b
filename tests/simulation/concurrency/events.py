"""Discrete events on a virtual clock."""

import heapq
import random
from collections.abc import Callable


class Events:
    """Calls functions at simulated times.

    Attributes:
        now: Simulated time in seconds.
        rng: Random numbers of this simulation.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.rng = random.Random(seed)
        self._heap: list[tuple[float, int, Callable[..., None], tuple]] = []
        self._number = 0

    def at(self, when: float, function: Callable[..., None], *arguments: object) -> None:
        """Calls a function at a time, after those that were added for the same time before."""
        self._number += 1
        heapq.heappush(self._heap, (when, self._number, function, arguments))

    def run(self, until: float) -> None:
        """Runs all events up to a time."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, function, arguments = heapq.heappop(self._heap)
            function(*arguments)
        self.now = until
