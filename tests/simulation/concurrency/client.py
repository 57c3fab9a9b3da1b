"""A worker as its provider sees it: calls within the production limit, and items that come back later."""

import heapq
from collections import Counter
from collections.abc import Iterable

from services.worker.calls.concurrency import DEFAULT_TIMEOUT_SECONDS, ConcurrencyLimit, Membership
from services.worker.items.attempts.retries import retry_delay
from tests.simulation.concurrency.blackboard import Blackboard
from tests.simulation.concurrency.events import Events
from tests.simulation.concurrency.providers import ROUND_TRIP_SECONDS, Call, OpenProvider, Outcome

_PUMP_PERIOD_SECONDS = 0.1
# Time between two exchanges of a worker, time of its second one, and time in which workers start that start
# together. In seconds.
EXCHANGE_PERIOD = 0.25
SECOND_EXCHANGE = 0.05
START_SPREAD = 0.2


class Client:
    """Makes calls for endless items, or for a number of them.

    Args:
        events: Simulation.
        provider: Called model.
        ceiling: Maximum calls in flight.
        item_count: Items. None for an endless number.
        cooldown: Cool-down that several clients share.
        blackboard: Redis through which clients share their limit. None for a client alone.
        begin: Time at which it begins, in seconds.
        name: Name among the clients of the blackboard.

    Attributes:
        limit: Limit under test.
        counts: Calls that ended, by second and outcome.
        levels: Times, and the calls in flight then.
        last_answer_time: Time of the last answer.
        has_left: Whether it has ended.
        membership: Its membership in the fleet.
    """

    def __init__(
        self,
        events: Events,
        provider: OpenProvider,
        ceiling: int,
        item_count: int | None = None,
        cooldown: "Cooldown | None" = None,
        *,
        blackboard: Blackboard | None = None,
        begin: float = 0.0,
        name: str = "",
    ) -> None:
        self.limit = ConcurrencyLimit("simulated", ceiling, lambda: events.now)
        self.counts: Counter[tuple[int, Outcome]] = Counter()
        self.levels: list[tuple[float, int]] = []
        self.last_answer_time = 0.0
        self.has_left = False
        self.item_count = item_count
        self._events = events
        self._provider = provider
        self._cooldown = cooldown or Cooldown()
        self._later: list[tuple[float, int, int]] = []
        self._arrival = 0
        self._blackboard = blackboard
        self.membership = Membership(self.limit, name)
        self._is_short = self._has_exchanged = False
        events.at(begin, self._look)
        if blackboard is not None:
            # As in production, the first exchange is done a few milliseconds after the first call.
            events.at(begin + 0.003 + events.rng.random() * START_SPREAD, self._exchange)

    def count(self, outcome: Outcome, begin: float, end: float) -> int:
        """Returns the calls with an outcome that ended in a span of whole seconds."""
        return sum(self.counts[second, outcome] for second in range(int(begin), int(end)))

    def time_at(self, level: float, after: float = 0.0) -> float:
        """Returns the first time from which as many calls were in flight. Infinite if never."""
        found = (time for time, count in self.levels if time > after and count >= level)
        return next(found, float("inf"))

    def leave(self) -> None:
        """Begins no more calls, and leaves the other clients."""
        self.crash()
        if self._blackboard is not None:
            self._blackboard.remove(self.membership)

    def crash(self) -> None:
        """Begins no more calls, and does not say so."""
        self.item_count = 0
        self._later.clear()
        self.has_left = True

    def _exchange(self) -> None:
        """Shares the limit, as the worker does in the background."""
        assert self._blackboard is not None
        now = self._events.now
        if self.has_left:
            return
        message = self.membership.message(is_short=self._is_short)
        reply = self._blackboard.exchange(self.membership, message, now)
        if reply is None:
            self.membership.lose()
        else:
            self.membership.receive(message, reply)
        self._begin_calls()
        period = EXCHANGE_PERIOD if self._has_exchanged else SECOND_EXCHANGE
        self._has_exchanged = True
        self._events.at(now + period, self._exchange)

    def _look(self) -> None:
        self._begin_calls()
        self.levels.append((self._events.now, self.limit.in_flight_count))
        self._events.at(self._events.now + _PUMP_PERIOD_SECONDS, self._look)

    def _begin_calls(self) -> None:
        now = self._events.now
        self._is_short = False
        while now >= self._cooldown.end:
            if not self.limit.has_capacity:
                self._is_short = self._has_item()
                return
            attempt_count = self._next_item()
            if attempt_count is None:
                return
            self.membership.note_use(is_short=False)
            self.limit.in_flight_count += 1
            begun = self.limit.begin()
            call = Call(begun, attempt_count, deadline=now + DEFAULT_TIMEOUT_SECONDS, end=self._end)
            self._events.at(now + ROUND_TRIP_SECONDS / 2, self._provider.arrive, call)

    def _has_item(self) -> bool:
        is_due = bool(self._later) and self._later[0][0] <= self._events.now
        return is_due or self.item_count is None or self.item_count > 0

    def _next_item(self) -> int | None:
        """Returns the attempt number of the next item. None if there is no item now."""
        if self._later and self._later[0][0] <= self._events.now:
            return heapq.heappop(self._later)[2]
        if self.item_count is not None:
            if not self.item_count:
                return None
            self.item_count -= 1
        return 1

    def _end(self, call: Call, outcome: Outcome, retry_after: float | None) -> None:
        if call.is_over:
            return
        call.is_over = True
        self.counts[int(self._events.now), outcome] += 1
        if outcome is Outcome.REJECTED:
            self._hold(self.limit.note_rejection(call.begun))
            if retry_after and self.limit.is_mostly_rejected:
                self._cooldown.end = max(self._cooldown.end, self._events.now + retry_after)
        elif outcome is Outcome.TIMED_OUT:
            self.limit.note_timeout(call.begun)
        else:
            self.limit.note_answer(call.begun)
        self.limit.in_flight_count -= 1
        if outcome is Outcome.ANSWERED:
            self.last_answer_time = self._events.now
        else:
            self._attempt_later(call, retry_after)
        self._begin_calls()

    def _attempt_later(self, call: Call, retry_after: float | None) -> None:
        if self.has_left:
            return
        when = self._events.now + retry_delay(call.attempt_count, retry_after, self._events.rng.random)
        self._arrival += 1
        heapq.heappush(self._later, (when, self._arrival, call.attempt_count + 1))

    def _hold(self, seconds: float) -> None:
        self.limit.held_count += 1
        self._events.at(self._events.now + seconds, self._end_hold)

    def _end_hold(self) -> None:
        self.limit.held_count -= 1
        self._begin_calls()


class Cooldown:
    """A cool-down of the model, shared by clients.

    Attributes:
        end: Time at which it ends.
    """

    def __init__(self) -> None:
        self.end = 0.0


def total(clients: Iterable[Client], outcome: Outcome, begin: float, end: float) -> int:
    """Returns the calls of all clients with an outcome that ended in a span."""
    return sum(client.count(outcome, begin, end) for client in clients)
