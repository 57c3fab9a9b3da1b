"""Figures of a part of the bench, by contender and measure, with one value per round."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """One contender against another.

    Attributes:
        text: Compared contenders and measure, such as ``ours / gather, items/s``.
        rounds: Ratio of each round.
        target: Target in words. Empty if there is none.
        is_met: Whether the median meets the target. None if there is none.
    """

    text: str
    rounds: list[float]
    target: str = ""
    is_met: bool | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text, "rounds": self.rounds, "median": self.median,
            "target": self.target, "is_met": self.is_met,
        }  # fmt: skip


@dataclass
class Figures:
    """All figures of one part.

    Attributes:
        title: Title of the part.
        values: Values of the rounds by contender and then by measure, in the order in which they were added.
        loads: Load average of the machine at the start of each round.
        notes: Notes that readers need to understand the figures.
    """

    title: str
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, contender: str, **measures: float) -> None:
        """Adds a round of a contender. Names of measures include their units, such as ``p50_ms``."""
        of_contender = self.values.setdefault(contender, {})
        for measure, value in measures.items():
            of_contender.setdefault(measure, []).append(value)
        print(f"  {contender}: " + ", ".join(f"{name} {show(value)}" for name, value in measures.items()))

    def median(self, contender: str, measure: str) -> float:
        return statistics.median(self.values[contender][measure])

    def compare(
        self, one: str, other: str, measure: str, target: str = "", met: Callable[[float], bool] | None = None
    ) -> None:
        """Divides each round of one contender by the same round of the other. Does nothing if one is missing.

        Divides the medians if they had different numbers of rounds.
        """
        mine, theirs = (self.values.get(name, {}).get(measure, []) for name in (one, other))
        if not mine or not theirs or not all(theirs):
            return
        if len(mine) != len(theirs):
            mine, theirs = [statistics.median(mine)], [statistics.median(theirs)]
        rounds = [value / other_value for value, other_value in zip(mine, theirs, strict=True)]
        self._judge(f"{one} / {other}, {measure}", rounds, target, met)

    def judge(self, contender: str, measure: str, target: str, met: Callable[[float], bool]) -> None:
        """Compares one measure with a target."""
        if measure in self.values.get(contender, {}):
            self._judge(f"{contender}, {measure}", self.values[contender][measure], target, met)

    def _judge(
        self, text: str, rounds: list[float], target: str, met: Callable[[float], bool] | None
    ) -> None:
        is_met = met(statistics.median(rounds)) if met else None
        self.comparisons.append(Comparison(text, rounds, target, is_met))

    def to_json(self) -> dict[str, Any]:
        contenders = {
            contender: {
                measure: {"rounds": rounds, "median": statistics.median(rounds)}
                for measure, rounds in measures.items()
            }
            for contender, measures in self.values.items()
        }
        return {
            "title": self.title,
            "contenders": contenders,
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "loads": self.loads,
            "notes": self.notes,
        }


def percentile(values: list[float], hundredth: int) -> float:
    """Returns the smallest value that at least ``hundredth`` percent of the values do not exceed, or 0.0."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * hundredth // 100) - 1)]


def show(value: float) -> str:
    """Returns a number with about three significant digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def drain_rate(finish_times: list[float]) -> float:
    """Returns the number of ends per second, from the first to the last, or 0.0 if they coincide."""
    span = max(finish_times) - min(finish_times) if finish_times else 0.0
    return (len(finish_times) - 1) / span if span else 0.0


def staleness_ms(commits: list[tuple[int, float]], arrivals: list[tuple[int, float]]) -> list[float]:
    """Returns the delay after which a reader knew of each commit, in milliseconds.

    Args:
        commits: Each seq with its time. Those up to the reader's first seq are ignored.
        arrivals: Each seq that the reader got, with its time, in order. A seq covers all earlier ones.
    """
    if not arrivals:
        return []
    found, index = [], 0
    for seq, commit_time in sorted(commits):
        if seq <= arrivals[0][0]:
            continue
        while index < len(arrivals) and arrivals[index][0] < seq:
            index += 1
        if index == len(arrivals):
            break
        found.append(1000 * (arrivals[index][1] - commit_time))
    return found
