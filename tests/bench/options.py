"""Options of a run of the bench."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.figures import Figures


@dataclass(frozen=True)
class Options:
    """Options of all parts.

    Attributes:
        rounds: Number of rounds of each part. Contenders take turns in each.
        scale: Factor of every count, above 0 and up to 1. Use values below 1 only to try the bench.
    """

    rounds: int = 3
    scale: float = 1.0

    def scaled(self, count: int) -> int:
        """Returns a scaled count, at least 10."""
        return max(10, round(count * self.scale))

    def each_round(self, figures: Figures) -> Iterator[int]:
        """Yields the number of each round, from 1, and stores the load of the machine at its start."""
        for number in range(1, self.rounds + 1):
            figures.loads.append(os.getloadavg()[0])
            print(f" round {number} of {self.rounds}, load {figures.loads[-1]:.1f}")
            yield number
