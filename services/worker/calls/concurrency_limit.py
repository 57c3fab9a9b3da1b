"""Adaptive limit on a model's calls in flight.

Calls are counted in rounds. A round is made of the calls begun since the last decision, and it ends in one
decision: cut, grow or stay. Single rejections therefore never cut, and calls that were in flight together
cut only once. The constants were found by simulation; see docs/decisions, "Calls in flight follow the
provider".
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.worker.metrics import CONCURRENCY_LIMIT, model_label

# Timeout of calls whose job sets none, in seconds. It is the default of the provider's adapter.
DEFAULT_TIMEOUT_SECONDS = 120.0

# Calls in flight at first. 4 is 2 s slower from cold, 20 floods slow servers.
START_LIMIT = 8
# Largest growth in one round. 300 calls are in flight after three rounds.
_MAX_GROWTH = 16

# A round without too many rejections is over once this part of the limit was answered, and a smaller part
# before the first cut.
_ANSWERED_PART = 1 / 2
_FIRST_ANSWERED_PART = 1 / 4

# Share of rejections above the noise that is borne. With 0.06, 5 % of random rejections cost three quarters
# of the throughput. With 0.10, a provider with 20 slots rejects 6 % of all calls.
_MARGIN = 0.08
# Rejections that are borne above that share. Two rejections never cut.
_EXTRA_REJECTIONS = 2
# Below this part of the margin, the step of growth doubles.
_CALM = 0.5
# Lowest part of the limit that a cut for rejections keeps.
_MIN_KEPT = 0.1
# Mean latencies until the round after a cut for rejections is decided. Each probe of a hard limit costs 3 to
# 5 rejections, so probes are rare.
_QUIET_LATENCIES = 12
# A rejected call keeps its slot for this many mean latencies, but not over the seconds. Otherwise a single
# excess slot makes 20 rejections a second.
_HOLD_LATENCIES = 2
_MAX_HOLD_SECONDS = 30.0
# A cut was useless if this part of the earlier share of rejections is left, and the share is below the
# maximum. Rejections that a cut does not change are not caused by this worker.
_USELESS = 0.6
_MAX_NOISE = 0.7
# The noise falls to this multiple of the share of rejections in a round.
_NOISE_FALL = 2

# Parts of a call's timeout. Latencies up to the first are fast whatever is usual, which bears 10 s of
# queueing at a timeout of 120 s. Growth that would raise the latency above three times the second is not
# made.
_FAST_PART = 1 / 24
_SLOW_PART = 1 / 8
# Answers for a reliable mean latency. Lengths of outputs vary, so the least latency means little.
_SURE_COUNT = 10
# A cut for latency did not help if more than this part of the latency is left: then it is the usual one.
_NO_HELP = 0.75
# Latencies above this multiple of the usual one cut the limit, but never below the part.
_TOO_SLOW = 2
_MIN_KEPT_IF_SLOW = 0.5
# A Retry-After holds up all workers only if more than half of a round of this many calls were rejected.
_MIN_CALLS_TO_COOL = 4


@dataclass(frozen=True, slots=True)
class BegunCall:
    """A call in flight.

    Attributes:
        number: Numbers the calls of a model, from 1.
        begin_time: Time at which it began, by the clock of the limit.
    """

    number: int
    begin_time: float


@dataclass(slots=True)
class _Round:
    """Counts of the calls begun since the last decision.

    Attributes:
        first_number: Number of its first call.
        rejected_count: Calls that the provider rejected.
        answered_count: Calls that were answered or timed out.
        max_in_use_count: Most slots in use when one of its calls ended.
        timeout_seconds: Shortest timeout of its calls.
        is_scarce: Whether the provider has announced that it would reject calls soon.
    """

    first_number: int
    rejected_count: int = 0
    answered_count: int = 0
    max_in_use_count: int = 0
    timeout_seconds: float = math.inf
    is_scarce: bool = False


class ConcurrencyLimit:
    """Finds how many calls of a model a provider answers at the same time.

    The limit grows while few calls are rejected and answers stay fast. It is cut if clearly more calls are
    rejected than the provider rejects at random, or if answers take much longer than usual. A cut for
    rejections that changes nothing is undone: those rejections are noise.

    Args:
        model: Model, for metrics.
        ceiling: Highest limit.
        clock: Monotonic clock, in seconds.

    Attributes:
        in_flight_count: Calls in flight.
        held_count: Slots that rejected calls still keep.
    """

    def __init__(self, model: str, ceiling: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._gauge = CONCURRENCY_LIMIT.labels(model_label(model))
        self._ceiling = ceiling
        self._clock = clock
        self._call_number = 0
        self.in_flight_count = self.held_count = 0
        self._noise = 0.0  # share of calls that is rejected whatever this worker does
        self._usual_latency = math.inf  # least mean latency
        self._latency = 1.0  # latest mean latency
        self.restart()

    def restart(self) -> None:
        """Starts anew from few calls, and keeps what is known of noise and latency."""
        self._step = math.inf
        self._quiet_until = -math.inf
        self._limit_at_cut = float(self._ceiling)
        self._share_at_cut, self._latency_at_cut = 0.0, math.inf
        self._latency_sum, self._latency_count = 0.0, 0
        self._set(START_LIMIT)
        self._round = _Round(self._call_number + 1)

    @property
    def limit(self) -> int:
        """Maximum calls in flight now, at least 1."""
        return round(self._limit)

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
        return self.limit < self._ceiling

    @property
    def has_history(self) -> bool:
        """Whether any call has begun."""
        return self._call_number > 0

    @property
    def is_mostly_rejected(self) -> bool:
        """Whether more than half of the round's calls, of at least 4, were rejected."""
        begun_count = self._begun_count
        return begun_count >= _MIN_CALLS_TO_COOL and self._round.rejected_count * 2 > begun_count

    def begin(self, timeout_seconds: float | None = None) -> BegunCall:
        """Registers a new call.

        Args:
            timeout_seconds: Timeout of the call. None for the default.
        """
        self._call_number += 1
        timeout_seconds = timeout_seconds or DEFAULT_TIMEOUT_SECONDS
        self._round.timeout_seconds = min(self._round.timeout_seconds, timeout_seconds)
        return BegunCall(self._call_number, self._clock())

    def note_answer(self, call: BegunCall) -> None:
        """Counts a call that ended with an answer, or by its own timeout."""
        if self._is_counted(call):
            self._round.answered_count += 1
            self._latency_sum += self._clock() - call.begin_time
            self._latency_count += 1
            self._decide()

    def note_rejection(self, call: BegunCall) -> float:
        """Counts a call that the provider rejected. Returns how long it keeps its slot, in seconds."""
        if self._is_counted(call):
            self._round.rejected_count += 1
            self._decide()
        return min(_HOLD_LATENCIES * self._latency, _MAX_HOLD_SECONDS)

    def note_scarcity(self, call: BegunCall) -> None:
        """Prevents growth in the round of a call, whose answer announced that calls would be rejected."""
        if call.number >= self._round.first_number:
            self._round.is_scarce = True

    @property
    def _begun_count(self) -> int:
        return self._call_number - self._round.first_number + 1

    def _is_counted(self, call: BegunCall) -> bool:
        if call.number < self._round.first_number:
            return False  # it began before the last decision, and shows nothing of its effect
        self._round.max_in_use_count = max(self._round.max_in_use_count, self.in_use_count)
        return True

    def _decide(self) -> None:
        if self._clock() < self._quiet_until:
            return
        rejected_count, answered_count = self._round.rejected_count, self._round.answered_count
        excess = rejected_count - (self._noise + _MARGIN) * self._begun_count
        if excess > _EXTRA_REJECTIONS and rejected_count + answered_count >= self._limit * _ANSWERED_PART:
            end = self._end_with_too_many_rejections
        elif excess <= 0 and self._has_enough_answers:
            end = self._end_without_excess
        else:
            return
        end(rejected_count / self._begun_count)
        self._round = _Round(self._call_number + 1)

    @property
    def _has_enough_answers(self) -> bool:
        part = _FIRST_ANSWERED_PART if self._step == math.inf else _ANSWERED_PART
        return self._round.answered_count >= self._limit * part and not self._is_usual_latency_unclear

    @property
    def _is_usual_latency_unclear(self) -> bool:
        """Whether the first answers are slow and too few for a mean latency."""
        return (
            self._usual_latency == math.inf
            and self._latency_count < _SURE_COUNT
            and self._latency_sum > self._fast_latency * self._latency_count
        )

    @property
    def _fast_latency(self) -> float:
        return self._round.timeout_seconds * _FAST_PART

    def _end_with_too_many_rejections(self, share: float) -> None:
        was_useless = _USELESS * self._share_at_cut <= share < _MAX_NOISE if self._share_at_cut else False
        if was_useless:
            self._noise, self._share_at_cut = share, 0.0
            self._set(self._limit_at_cut)
        else:
            self._cut(max(1 - share, _MIN_KEPT), quiet_latencies=_QUIET_LATENCIES)
            self._share_at_cut = share

    def _end_without_excess(self, share: float) -> None:
        self._noise, self._share_at_cut = min(self._noise, _NOISE_FALL * share), 0.0
        self._latency = self._latency_sum / self._latency_count
        if self._latency_count >= _SURE_COUNT or self._usual_latency == math.inf:
            self._learn_latency()
            usual = max(self._fast_latency, self._usual_latency)
            if self._latency > _TOO_SLOW * usual:
                self._latency_at_cut = self._latency
                self._cut(max(usual / self._latency, _MIN_KEPT_IF_SLOW), quiet_latencies=1)
                return
        if self._round.max_in_use_count * 2 >= self.limit and not self._round.is_scarce:
            self._grow(share)

    def _learn_latency(self) -> None:
        self._latency_sum, self._latency_count = 0.0, 0
        if self._latency > _NO_HELP * self._latency_at_cut:
            self._usual_latency = self._latency
        self._usual_latency = min(self._usual_latency, self._latency)
        self._latency_at_cut = math.inf

    def _grow(self, share: float) -> None:
        slow_latency = self._round.timeout_seconds * _SLOW_PART
        bearable = 3 * min(max(self._fast_latency, self._usual_latency / 2), slow_latency)
        growth = min(_MAX_GROWTH, bearable / self._latency) if self._latency > 0 else _MAX_GROWTH
        self._set(max(self._limit, min(self._limit + self._step, self._limit * growth)))
        if share <= self._noise + _MARGIN * _CALM:
            self._step *= 2

    def _cut(self, kept: float, *, quiet_latencies: int) -> None:
        self._limit_at_cut = self._limit
        self._set(self._limit * kept)
        self._step = 1.0
        self._latency_sum, self._latency_count = 0.0, 0
        self._quiet_until = self._clock() + quiet_latencies * self._latency

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, 1.0), float(self._ceiling))
        self._gauge.set(self.limit)
