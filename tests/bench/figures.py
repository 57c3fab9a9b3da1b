"""What a part of the bench measured: figures by contender and measure, a value a round."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """One contender against another.

    Attributes:
        text: What is compared, such as ``ours / gather, items/s``.
        rounds: The ratio of each round.
        target: What was wished for, in words; empty: nothing.
        is_met: Whether the median is what was wished for; None: nothing was.
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
    """Everything that one part measured.

    Attributes:
        title: Of the part.
        values: The rounds of each measure, by contender and then by measure, in the order they were added.
        loads: The machine's load average when each round began.
        notes: What a reader has to know beside the figures.
    """

    title: str
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, contender: str, **measures: float) -> None:
        """Adds a round of a contender; the names of measures hold their units, such as ``p50_ms``."""
        of_contender = self.values.setdefault(contender, {})
        for measure, value in measures.items():
            of_contender.setdefault(measure, []).append(value)
        print(f"  {contender}: " + ", ".join(f"{name} {show(value)}" for name, value in measures.items()))

    def median(self, contender: str, measure: str) -> float:
        return statistics.median(self.values[contender][measure])

    def compare(
        self, one: str, other: str, measure: str, target: str = "", met: Callable[[float], bool] | None = None
    ) -> None:
        """Divides one contender's rounds by the other's of the same number; nothing where one is missing.

        Where they had other numbers of rounds, the medians are divided.
        """
        mine, theirs = (self.values.get(name, {}).get(measure, []) for name in (one, other))
        if not mine or not theirs or not all(theirs):
            return
        if len(mine) != len(theirs):
            mine, theirs = [statistics.median(mine)], [statistics.median(theirs)]
        rounds = [value / beside for value, beside in zip(mine, theirs, strict=True)]
        self._judge(f"{one} / {other}, {measure}", rounds, target, met)

    def judge(self, contender: str, measure: str, target: str, met: Callable[[float], bool]) -> None:
        """Holds one measure against a target."""
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
    """Returns the smallest value that so many hundredths of the values do not pass; 0.0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * hundredth // 100) - 1)]


def show(value: float) -> str:
    """Returns a number with about three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def drain_rate(finish_times: list[float]) -> float:
    """Returns how many ended a second, from the first end to the last; 0.0 where that is no time."""
    span = max(finish_times) - min(finish_times) if finish_times else 0.0
    return (len(finish_times) - 1) / span if span else 0.0


def staleness_ms(commits: list[tuple[int, float]], arrivals: list[tuple[int, float]]) -> list[float]:
    """Returns how long a reader went without knowing of each commit, in milliseconds.

    Args:
        commits: Each seq with its time; those up to the reader's first seq are left out.
        arrivals: Each seq that the reader got, with its time, in order; a later one tells of all before it.
    """
    if not arrivals:
        return []
    found, place = [], 0
    for seq, commit_time in sorted(commits):
        if seq <= arrivals[0][0]:
            continue
        while place < len(arrivals) and arrivals[place][0] < seq:
            place += 1
        if place == len(arrivals):
            break
        found.append(1000 * (arrivals[place][1] - commit_time))
    return found
