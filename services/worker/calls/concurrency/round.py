"""Counts of a round: the calls of a model that began since the last decision on its limit."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BegunCall:
    """A call in flight.

    Attributes:
        number: Numbers the calls of a model, from 1.
        begin_time: Time at which it began, by the clock of the limit.
        timeout_seconds: Its timeout.
    """

    number: int
    begin_time: float
    timeout_seconds: float


@dataclass(slots=True, kw_only=True)
class Round:
    """Counts of a round, of one worker or of several.

    Attributes:
        begun_count: Calls that have begun.
        rejected_count: Those that the provider rejected.
        answered_count: Those that were answered, or timed out after a time that is too slow for the model.
        latency_sum: Time that these took, in seconds.
        in_use_count: Most slots in use when one of its calls ended.
        timeout_seconds: Harmonic mean of the timeouts of the answered calls. Infinite if there are none. The
            shortest one would let a single job decide what is slow for all.
        is_scarce: Whether the provider has announced that it would reject calls soon.
        late_begun_count: Calls of the previous round that its decision did not know of.
        late_rejected_count: Calls of the previous round that were rejected after its decision.
    """

    begun_count: int = 0
    rejected_count: int = 0
    answered_count: int = 0
    latency_sum: float = 0.0
    in_use_count: int = 0
    timeout_seconds: float = math.inf
    is_scarce: bool = False
    late_begun_count: int = 0
    late_rejected_count: int = 0

    @property
    def rejected_share(self) -> float:
        """Share of its calls that were rejected."""
        return self.rejected_count / self.begun_count

    def add_answer(self, timeout_seconds: float, latency: float) -> None:
        """Counts an answered call.

        Args:
            timeout_seconds: Its timeout.
            latency: Time that it took, in seconds.
        """
        inverse_sum = self.answered_count / self.timeout_seconds + 1 / timeout_seconds
        self.answered_count += 1
        self.timeout_seconds = self.answered_count / inverse_sum
        self.latency_sum += latency

    def __add__(self, other: "Round") -> "Round":
        """Returns the counts of two workers together."""
        return Round(
            begun_count=self.begun_count + other.begun_count,
            rejected_count=self.rejected_count + other.rejected_count,
            answered_count=self.answered_count + other.answered_count,
            latency_sum=self.latency_sum + other.latency_sum,
            in_use_count=self.in_use_count + other.in_use_count,
            timeout_seconds=_mean_timeout(self, other),
            is_scarce=self.is_scarce or other.is_scarce,
            late_begun_count=self.late_begun_count + other.late_begun_count,
            late_rejected_count=self.late_rejected_count + other.late_rejected_count,
        )


def _mean_timeout(one: Round, other: Round) -> float:
    inverse_sum = sum(calls.answered_count / calls.timeout_seconds for calls in (one, other))
    return (one.answered_count + other.answered_count) / inverse_sum if inverse_sum else math.inf
