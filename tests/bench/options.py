"""How a run of the bench was asked for."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.figures import Figures


@dataclass(frozen=True)
class Options:
    """What holds for all parts.

    Attributes:
        rounds: Of each part; contenders take turns in each.
        scale: Of every count, from over 0 to 1; below 1 to try the bench, not to measure.
    """

    rounds: int = 3
    scale: float = 1.0

    def scaled(self, count: int) -> int:
        """Returns a count of this run, at least 10."""
        return max(10, round(count * self.scale))

    def each_round(self, figures: Figures) -> Iterator[int]:
        """Yields the number of each round, from 1, and notes the load of the machine when it begins."""
        for number in range(1, self.rounds + 1):
            figures.loads.append(os.getloadavg()[0])
            print(f" round {number} of {self.rounds}, load {figures.loads[-1]:.1f}")
            yield number
