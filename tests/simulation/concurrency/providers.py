"""Models of providers: random rejections, a hard cap, a queue, a rate."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random

from services.worker.calls.concurrency import BegunCall
from tests.simulation.concurrency.events import Events

# Time of a call on the network, there and back, in seconds.
ROUND_TRIP_SECONDS = 0.05

Service = Callable[[Random], float]


class Outcome(Enum):
    """Ends of calls."""

    ANSWERED = "answered"
    REJECTED = "rejected"
    TIMED_OUT = "timed out"


@dataclass(slots=True)
class Call:
    """A call on its way.

    Attributes:
        begun: The call as the limit knows it.
        attempt_count: Attempts of its item, this one included.
        deadline: Time at which it times out.
        end: Called with the call, its outcome and Retry-After.
        is_over: Whether it has ended.
    """

    begun: BegunCall
    attempt_count: int
    deadline: float
    end: Callable[["Call", Outcome, float | None], None]
    is_over: bool = False


def always(seconds: float) -> Service:
    """Answers of one length."""
    return lambda rng: seconds


def varied(mean: float, sigma: float = 0.6) -> Service:
    """Answers of varied length: log-normal."""
    mu = math.log(mean) - sigma * sigma / 2
    return lambda rng: rng.lognormvariate(mu, sigma)


class OpenProvider:
    """Answers any number of calls, and rejects some at random.

    Args:
        events: Simulation.
        service: Time of answers.
        noise: Share of calls that are rejected at random.
        retry_after: Retry-After of rejections, in seconds.
    """

    def __init__(
        self, events: Events, service: Service, noise: float = 0.0, retry_after: float | None = None
    ) -> None:
        self.events = events
        self.service = service
        self.noise = noise
        self.retry_after = retry_after

    def arrive(self, call: Call) -> None:
        if self.noise and self.events.rng.random() < self.noise:
            self.reject(call)
        else:
            self.admit(call)

    def admit(self, call: Call) -> None:
        self.answer(call, self.service(self.events.rng))

    def reject(self, call: Call, retry_after: float | None = None) -> None:
        end = self.events.now + ROUND_TRIP_SECONDS / 2
        self.events.at(end, call.end, call, Outcome.REJECTED, retry_after or self.retry_after)

    def answer(self, call: Call, seconds: float) -> None:
        end, outcome = self.events.now + seconds + ROUND_TRIP_SECONDS / 2, Outcome.ANSWERED
        if end > call.deadline:
            end, outcome = call.deadline, Outcome.TIMED_OUT
        self.events.at(end, call.end, call, outcome, None)


class CappedProvider(OpenProvider):
    """Has a number of slots, and rejects calls beyond them at once."""

    def __init__(self, events: Events, service: Service, slot_count: int, **more: float) -> None:
        super().__init__(events, service, **more)
        self.slot_count = slot_count
        self.busy_count = 0

    def admit(self, call: Call) -> None:
        if self.busy_count >= self.slot_count:
            self.reject(call)
            return
        self.busy_count += 1
        seconds = self.service(self.events.rng)
        self.events.at(min(self.events.now + seconds, call.deadline), self.leave)
        self.answer(call, seconds)

    def leave(self) -> None:
        self.busy_count -= 1


class QueueingProvider(CappedProvider):
    """Has a number of slots and an endless queue. A call that times out leaves it."""

    def __init__(self, events: Events, service: Service, slot_count: int) -> None:
        super().__init__(events, service, slot_count)
        self.queue: deque[Call] = deque()

    def admit(self, call: Call) -> None:
        if self.busy_count < self.slot_count:
            super().admit(call)
        else:
            self.queue.append(call)
            self.events.at(call.deadline, call.end, call, Outcome.TIMED_OUT, None)

    def leave(self) -> None:
        super().leave()
        while self.queue and self.busy_count < self.slot_count:
            call = self.queue.popleft()
            if not call.is_over:
                super().admit(call)


class RatedProvider(OpenProvider):
    """Answers a number of calls a second, up to a burst. Its rejections say when to come back."""

    def __init__(self, events: Events, service: Service, rate: float, burst: float) -> None:
        super().__init__(events, service)
        self.rate, self.burst = rate, burst
        self.tokens, self.since = burst, 0.0

    def admit(self, call: Call) -> None:
        now = self.events.now
        self.tokens = min(self.burst, self.tokens + (now - self.since) * self.rate)
        self.since = now
        if self.tokens < 1:
            self.reject(call, max(1.0, (1 - self.tokens) / self.rate))
        else:
            self.tokens -= 1
            super().admit(call)
