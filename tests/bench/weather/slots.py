"""Admission to a provider in bad weather: random rejections, a hard cap, a queue. It knows no network."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Weather:
    """Behaviour of the provider.

    Attributes:
        latency_ms: Time of each answer, in milliseconds.
        noise: Share of calls that is rejected at random, from 0 to 1.
        retry_after: Retry-After of rejections, in seconds. None leaves it out.
        slot_count: Calls that are answered at the same time. 0 for any number.
        has_queue: Whether calls beyond the slots wait. Otherwise they are rejected.
        seed: Seed of the random rejections.
    """

    latency_ms: float
    noise: float = 0.0
    retry_after: int | None = None
    slot_count: int = 0
    has_queue: bool = False
    seed: int = 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Counts:
    """Calls by how they ended.

    Attributes:
        call_count: Calls received.
        answered_count: Calls that were answered.
        rejected_count: Calls that got a 429.
        broken_off_count: Calls whose caller disconnected first, which is what a time-out does.
        cut_off_count: Calls whose connection an outage closed.
    """

    call_count: int = 0
    answered_count: int = 0
    rejected_count: int = 0
    broken_off_count: int = 0
    cut_off_count: int = 0


class Timer(Protocol):
    """A delayed function that can be cancelled."""

    def cancel(self) -> None: ...


class Caller(Protocol):
    """The sender of a call."""

    def answer(self) -> None:
        """Sends the answer."""

    def reject(self, retry_after: int | None) -> None:
        """Sends a 429."""


@dataclass(eq=False)
class Call:
    """A call without a response.

    Attributes:
        caller: Its sender.
        timer: Ends its answer. None while it waits for a slot.
        is_gone: Whether its connection is lost.
    """

    caller: Caller
    timer: Timer | None = None
    is_gone: bool = False


@dataclass
class Slots:
    """Decides what happens to each call.

    Attributes:
        later: Runs a function after some seconds.
        weather: Behaviour towards calls.
        counts: Counts since the weather was set.
    """

    later: Callable[[float, Callable[[], None]], Timer]
    weather: Weather = field(default_factory=lambda: Weather(0.0))
    counts: Counts = field(default_factory=Counts)
    _busy_count: int = 0
    _queue: deque[Call] = field(default_factory=deque)
    _random: random.Random = field(default_factory=lambda: random.Random(1))

    def change_weather(self, weather: Weather) -> None:
        """Sets the weather and all counts to 0. Calls in flight end as they would have."""
        self.weather, self.counts, self._random = weather, Counts(), random.Random(weather.seed)

    def arrive(self, caller: Caller) -> Call | None:
        """Admits a call, queues it, or rejects it. Returns None if it is rejected."""
        weather = self.weather
        self.counts.call_count += 1
        is_noise = bool(weather.noise) and self._random.random() < weather.noise
        has_slot = not weather.slot_count or self._busy_count < weather.slot_count
        if is_noise or not (has_slot or weather.has_queue):
            self.counts.rejected_count += 1
            caller.reject(weather.retry_after)
            return None
        call = Call(caller)
        if has_slot:
            self._admit(call)
        else:
            self._queue.append(call)
        return call

    def leave(self, call: Call, *, is_cut_off: bool) -> None:
        """Ends a call whose connection is lost. Its slot is free at once.

        Args:
            call: The call.
            is_cut_off: Whether the provider closed the connection.
        """
        if is_cut_off:
            self.counts.cut_off_count += 1
        else:
            self.counts.broken_off_count += 1
        call.is_gone = True
        if call.timer is not None:
            call.timer.cancel()
            self._free_slot()

    def _admit(self, call: Call) -> None:
        self._busy_count += 1
        call.timer = self.later(self.weather.latency_ms / 1000, lambda: self._finish(call))

    def _finish(self, call: Call) -> None:
        self.counts.answered_count += 1
        call.caller.answer()
        self._free_slot()

    def _free_slot(self) -> None:
        self._busy_count -= 1
        while self._queue and self._busy_count < self.weather.slot_count:
            call = self._queue.popleft()
            if not call.is_gone:
                self._admit(call)
