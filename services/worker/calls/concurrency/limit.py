"""Adaptive limit on a model's calls in flight.

Calls are counted in rounds. A round is made of the calls begun since the last decision, and it ends in one
decision: cut, grow or stay. Single rejections therefore never cut, and calls that were in flight together
cut only once. Workers that share a limit count their rounds together.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace

from services.worker.calls.concurrency.fleet import ALONE, Fleet
from services.worker.calls.concurrency.round import BegunCall, Round
from services.worker.calls.concurrency.rule import (
    START_LIMIT,
    TOO_SLOW,
    LimitState,
    decide,
    with_late_rejections,
)
from services.worker.metrics import CONCURRENCY_LIMIT, model_label

# Timeout of calls whose job sets none, in seconds. It is the default of the provider's adapter.
DEFAULT_TIMEOUT_SECONDS = 120.0

# A rejected call keeps its slot for this many mean latencies, but not over the seconds. Otherwise a single
# excess slot makes 20 rejections a second.
_HOLD_LATENCIES = 2
_MAX_HOLD_SECONDS = 30.0
# A Retry-After holds up all workers only if more than half of this many calls were rejected.
_MIN_CALLS_TO_COOL = 4


class ConcurrencyLimit:
    """Finds how many calls of a model a provider answers at the same time.

    The limit grows while few calls are rejected and answers stay fast. It is cut if clearly more calls are
    rejected than the provider rejects at random, or if answers take much longer than usual. A cut for
    rejections that changes nothing is undone: those rejections are noise.

    Args:
        model: Model, for metrics.
        ceiling: Highest limit of this worker.
        clock: Monotonic clock, in seconds.

    Attributes:
        ceiling: Highest limit of this worker.
        in_flight_count: Calls in flight.
        held_count: Slots that rejected calls still keep.
        limit: Maximum calls in flight of this worker now, at least 1.
        state: State of the limit of all workers that share it.
        own_round: Calls of this worker since the last decision.
    """

    def __init__(self, model: str, ceiling: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._call_number = 0
        self._first_number = self._previous_first_number = 1
        self._previous_begun_count = self._previous_rejected_count = 0
        self._fleet = ALONE
        self.ceiling = ceiling
        self.in_flight_count = self.held_count = 0
        self.own_round = Round()
        self.state = LimitState()
        self._update()

    def restart(self) -> None:
        """Starts anew from few calls, and keeps what is known of noise and latency."""
        if self.state.limit:  # otherwise another worker has restarted it
            self._begin_round(replace(self.state.restarted(), decision_id=uuid.uuid4().hex), Round())

    @property
    def in_use_count(self) -> int:
        """Slots in use, by calls in flight or by rejected ones."""
        return self.in_flight_count + self.held_count

    @property
    def has_capacity(self) -> bool:
        """Whether one more call may begin."""
        return self.in_use_count < self.limit

    @property
    def is_reduced(self) -> bool:
        """Whether the limit is below its ceiling."""
        return self.limit < self.ceiling

    @property
    def has_history(self) -> bool:
        """Whether any call has begun."""
        return self._call_number > 0

    @property
    def is_known(self) -> bool:
        """Whether any call says something of the model. None does of a model that does not exist."""
        calls = self.own_round
        return bool(self.state.decision_id or calls.answered_count or calls.rejected_count)

    @property
    def is_mostly_rejected(self) -> bool:
        """Whether more than half of this worker's latest calls, at least 4, were rejected.

        These are the calls of the round. If the limit is so low that a round has fewer than 4, those of the
        round before count too.
        """
        begun_count, rejected_count = self.own_round.begun_count, self.own_round.rejected_count
        if self.limit < _MIN_CALLS_TO_COOL:
            begun_count += self._previous_begun_count
            rejected_count += self._previous_rejected_count
        return begun_count >= _MIN_CALLS_TO_COOL and rejected_count * 2 > begun_count

    def begin(self, timeout_seconds: float | None = None) -> BegunCall:
        """Registers a new call.

        Args:
            timeout_seconds: Timeout of the call. None for the default.
        """
        self._call_number += 1
        self.own_round.begun_count += 1
        return BegunCall(self._call_number, self._clock(), timeout_seconds or DEFAULT_TIMEOUT_SECONDS)

    def note_answer(self, call: BegunCall) -> None:
        """Counts a call that ended with an answer."""
        if call.number >= self._first_number:
            self.own_round.add_answer(call.timeout_seconds, self._clock() - call.begin_time)
            self._decide()

    def note_timeout(self, call: BegunCall) -> None:
        """Counts a call that ended by its own timeout, if that is too slow for the model.

        A shorter timeout says nothing of the model: one job with 1 ms would cut it for all jobs. Such a call
        counts as if it had not begun.
        """
        if call.timeout_seconds >= min(DEFAULT_TIMEOUT_SECONDS, TOO_SLOW * self.state.usual_latency):
            self.note_answer(call)
        else:
            self.discount(call)

    def discount(self, call: BegunCall) -> None:
        """Counts a call that says nothing of the model as if it had not begun."""
        if call.number >= self._first_number:
            self.own_round.begun_count -= 1

    def note_rejection(self, call: BegunCall) -> float:
        """Counts a call that the provider rejected. Returns how long it keeps its slot, in seconds."""
        if call.number >= self._first_number:
            self.own_round.rejected_count += 1
            self._decide()
        elif call.number >= self._previous_first_number:
            self.own_round.late_rejected_count += 1
            self._previous_rejected_count += 1
            self._update()
        return min(_HOLD_LATENCIES * self.state.latency, _MAX_HOLD_SECONDS)

    def note_scarcity(self, call: BegunCall) -> None:
        """Prevents growth in the round of a call, whose answer announced that calls would be rejected."""
        if call.number >= self._first_number:
            self.own_round.is_scarce = True

    def adopt(self, state: LimitState, name: str) -> None:
        """Begins a round with a state that another worker has decided.

        Args:
            state: The state.
            name: Name of this worker.
        """
        begun_count, rejected_count = state.counted.get(name, (0, 0))
        begun_count = max(0, self.own_round.begun_count - begun_count)
        rejected_count = max(0, self.own_round.rejected_count - rejected_count)
        if state.cut_begun_count:
            self._begin_round(state, Round(late_begun_count=begun_count, late_rejected_count=rejected_count))
        else:  # calls that the decision did not count belong to the next round
            rejected_count = min(begun_count, rejected_count)
            self._begin_round(state, Round(begun_count=begun_count, rejected_count=rejected_count))

    def join(self, fleet: Fleet) -> None:
        """Takes this worker's part of a fleet's limit, and counts rounds together with the others."""
        self._fleet = fleet
        self._update()

    def _decide(self) -> None:
        """Begins a new round if the present one is over."""
        self.own_round.in_use_count = max(self.own_round.in_use_count, self.in_use_count)
        calls = self.own_round + self._fleet.others if self._fleet.others else self.own_round
        state = decide(self._present_state(calls), calls, self._clock())
        if state is not None:
            state = replace(
                state,
                limit=self._clamped(state.limit),
                decision_id=uuid.uuid4().hex,
                counted=self._fleet.counted,
            )
            self._begin_round(state, Round())

    def _begin_round(self, state: LimitState, own_round: Round) -> None:
        self._previous_begun_count = self.own_round.begun_count - own_round.begun_count
        self._previous_rejected_count = self.own_round.rejected_count - own_round.rejected_count
        self.state = state
        self.own_round = own_round
        self._previous_first_number = self._first_number
        self._first_number = self._call_number - own_round.begun_count + 1
        self._fleet = self._fleet.without_counts()
        self._update()

    def _present_state(self, calls: Round) -> LimitState:
        state = with_late_rejections(self.state, calls)
        limit = self._clamped(state.limit or START_LIMIT * self._fleet.worker_count)
        return state if limit == state.limit else replace(state, limit=limit)

    def _clamped(self, limit: float) -> float:
        return min(max(limit, 1.0), float(self._fleet.ceiling or self.ceiling))

    def _update(self) -> None:
        calls = self.own_round + self._fleet.others if self._fleet.others else self.own_round
        limit = self._present_state(calls).limit
        self.limit = min(self._fleet.own_part(limit), self.ceiling)
        CONCURRENCY_LIMIT.labels(model_label.known(self._model)).set(self.limit)
