"""The last calls of a model on this worker, which tell an outage from a fault of one item."""

from collections import Counter, deque
from collections.abc import Callable, Hashable
from itertools import islice
from typing import NamedTuple

from services.worker.calls.answered_jobs import AnsweredJobs, Caller

# Faults in a row, and different items among them, that are an outage.
OUTAGE_FAULTS = 5
OUTAGE_ITEMS = 3
# Share of faults among the last calls of other items above which a fault is not its item's.
SPARED_SHARE = 0.1
SPARED_CALLS = 50
# Fewer items count as all items there are if no other item was called for this time, in seconds. An item
# that alone fails uses up five attempts in less.
ALONE_SECONDS = 60.0
_KEPT_CALLS = 4 * SPARED_CALLS


class _Call(NamedTuple):
    item: Hashable
    is_fault: bool
    end: float


class RecentCalls:
    """Calls of a model that ended, and the items whose calls are in flight.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[_Call] = deque(maxlen=_KEPT_CALLS)
        self._row: Counter[Hashable] = Counter()  # faults in a row, by item
        self._row_callers: set[Caller] = set()
        self._answered_jobs = AnsweredJobs(clock)
        self._in_flight: Counter[Hashable] = Counter()
        self._row_begin = clock()

    @property
    def is_idle(self) -> bool:
        """Whether no call is in flight."""
        return not self._in_flight

    def begin(self, item: Hashable) -> float:
        """Adds a call in flight, and returns the time at which it begins."""
        self._in_flight[item] += 1
        return self._clock()

    def end(self, item: Hashable) -> None:
        """Removes a call in flight."""
        self._in_flight[item] -= 1
        if not self._in_flight[item]:
            del self._in_flight[item]

    def add_answer(self, item: Hashable, caller: Caller) -> None:
        """Adds a call that was answered, whatever the answer."""
        self._calls.append(_Call(item, False, self._clock()))
        self._answered_jobs.add(caller)
        self._clear_row()

    def add_fault(self, item: Hashable, caller: Caller, begin: float) -> None:
        """Adds a call that ended in a fault. It is not part of a row that begins after the call."""
        self._calls.append(_Call(item, True, self._clock()))
        if begin >= self._row_begin:
            self._row[item] += 1
            self._row_callers.add(caller)

    def begin_row(self) -> None:
        """Counts faults in a row anew, because an outage has ended."""
        self._clear_row()
        self._row_begin = self._clock()

    def is_before_row(self, begin: float) -> bool:
        """Returns whether a call began before the last outage ended."""
        return begin < self._row_begin

    def is_outage(self, *, is_reachable: bool) -> bool:
        """Returns whether the faults in a row are an outage, after the last one was added.

        Args:
            is_reachable: Whether the last call reached a server. If not, its job cannot be the cause.
        """
        if self._row.total() < OUTAGE_FAULTS:
            return False
        if not is_reachable:
            return True
        has_items = len(self._row) >= OUTAGE_ITEMS or self._has_all_items()
        return has_items and not self._answered_jobs.are_spared(self._row_callers)

    def is_fault_of_others(self, item: Hashable) -> bool:
        """Returns whether over 10 % of the last 50 calls of other items were faults."""
        others = list(islice((call for call in reversed(self._calls) if call.item != item), SPARED_CALLS))
        return sum(call.is_fault for call in others) > SPARED_SHARE * len(others)

    def _clear_row(self) -> None:
        self._row.clear()
        self._row_callers.clear()

    def _has_all_items(self) -> bool:
        since = self._clock() - ALONE_SECONDS
        present = {call.item for call in self._calls if call.end >= since} | set(self._in_flight)
        return present <= set(self._row)
