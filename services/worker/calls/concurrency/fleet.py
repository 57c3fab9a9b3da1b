"""A fleet of workers as one of them sees it: their counts, and how they divide a limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.worker.calls.concurrency.round import Round


@dataclass(frozen=True, kw_only=True)
class Report:
    """A worker's report on its calls of a model, for the other workers.

    Attributes:
        decision_id: Decision after which the calls of its round began.
        calls: Counts of its round.
        in_use_count: Slots in use.
        wanted_count: Slots that it could use.
        ceiling: Highest limit of the worker.
    """

    decision_id: str
    calls: Round
    in_use_count: int
    wanted_count: int
    ceiling: int


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The workers that share a limit.

    Attributes:
        worker_count: Number of workers, this one included.
        ceiling: Highest limit of all workers together. 0 for that of this worker alone.
        others: Counts of the other workers' rounds together. None if there are none.
        counted: Calls that began in these rounds, and the rejected ones of them, by name of the worker.
        others_in_use_count: Slots that the other workers use.
        wanted_counts: Slots that each worker could use, this one included, by name.
        name: Name of this worker.
    """

    worker_count: int = 1
    ceiling: int = 0
    others: Round | None = None
    counted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    others_in_use_count: int = 0
    wanted_counts: Sequence[tuple[int, str]] = ()
    name: str = ""

    def without_counts(self) -> "Fleet":
        """Returns the fleet at the begin of a round."""
        return self if self.others is None else replace(self, others=None, counted={})

    def own_part(self, limit: float) -> int:
        """Returns the part of a limit that this worker may use, at least 1."""
        if self.worker_count == 1:
            return max(1, round(limit))
        part = divide(round(limit), self.wanted_counts)[self.name]
        return max(1, min(part, round(limit) - self.others_in_use_count))


ALONE = Fleet()


def fleet_of(name: str, own: Report, others: Mapping[str, Report]) -> Fleet:
    """Returns the fleet of a worker.

    Args:
        name: Name of the worker.
        own: Its report.
        others: Reports of the other workers, by name.
    """
    rounds_of = {
        other: report.calls for other, report in others.items() if report.decision_id == own.decision_id
    }
    rounds = list(rounds_of.values())
    return Fleet(
        worker_count=1 + len(others),
        ceiling=own.ceiling + sum(report.ceiling for report in others.values()),
        others=sum(rounds[1:], rounds[0]) if rounds else None,
        counted={other: (calls.begun_count, calls.rejected_count) for other, calls in rounds_of.items()},
        others_in_use_count=sum(report.in_use_count for report in others.values()),
        wanted_counts=sorted(
            [(own.wanted_count, name), *((report.wanted_count, other) for other, report in others.items())]
        ),
        name=name,
    )


def divide(count: int, wanted_counts: Sequence[tuple[int, str]]) -> dict[str, int]:
    """Divides slots between workers. Each gets what it wants, or an equal part of the rest.

    If all get what they want, they share what remains. The parts add up to the slots.

    Args:
        count: Number of slots.
        wanted_counts: Slots that each worker could use, with its name, in ascending order.
    """
    parts: dict[str, int] = {}
    waiting = list(wanted_counts)
    while waiting and waiting[0][0] <= count // len(waiting):
        wanted, name = waiting.pop(0)
        parts[name] = wanted
        count -= wanted
    names = sorted(name for _, name in waiting) or sorted(parts)
    for index, name in enumerate(names):
        parts[name] = parts.get(name, 0) + count // len(names) + (index < count % len(names))
    return parts
