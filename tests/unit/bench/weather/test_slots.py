"""The bench's provider in bad weather: noise, a cap and a queue."""

from collections.abc import Callable

import pytest

from tests.bench.weather.slots import Slots, Weather


class Timer:
    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self.seconds, self.end, self.is_over = seconds, end, False

    def cancel(self) -> None:
        self.is_over = True

    def fire(self) -> None:
        assert not self.is_over
        self.is_over = True
        self.end()


class Timers(list):
    def __call__(self, seconds: float, end: Callable[[], None]) -> Timer:
        self.append(Timer(seconds, end))
        return self[-1]


class Caller:
    def __init__(self) -> None:
        self.responses: list[object] = []

    def answer(self) -> None:
        self.responses.append("answer")

    def reject(self, retry_after: int | None) -> None:
        self.responses.append(retry_after)


@pytest.fixture
def timers() -> Timers:
    return Timers()


def open_slots(timers: Timers, **weather) -> Slots:
    slots = Slots(timers)
    slots.change_weather(Weather(500, **weather))
    return slots


def arrive(slots: Slots, count: int) -> list[Caller]:
    callers = [Caller() for _ in range(count)]
    for caller in callers:
        slots.arrive(caller)
    return callers


def test_a_call_is_answered_after_the_latency(timers):
    slots = open_slots(timers)
    (caller,) = arrive(slots, 1)
    assert (caller.responses, timers[0].seconds) == ([], 0.5)
    timers[0].fire()
    assert caller.responses == ["answer"]
    assert (slots.counts.call_count, slots.counts.answered_count) == (1, 1)


def test_noise_rejects_its_share_with_retry_after(timers):
    slots = open_slots(timers, noise=0.05, retry_after=5)
    callers = arrive(slots, 2000)
    rejected = [caller for caller in callers if caller.responses]
    assert 60 <= len(rejected) <= 140
    assert {tuple(caller.responses) for caller in rejected} == {(5,)}
    assert slots.counts.rejected_count == len(rejected)


def test_a_seed_repeats_its_rejections(timers):
    def rejected(seed: int) -> list[int]:
        callers = arrive(open_slots(timers, noise=0.1, seed=seed), 100)
        return [number for number, caller in enumerate(callers) if caller.responses]

    assert rejected(1) == rejected(1) != rejected(2)


def test_a_cap_rejects_calls_beyond_its_slots(timers):
    slots = open_slots(timers, slot_count=2)
    assert [caller.responses for caller in arrive(slots, 3)] == [[], [], [None]]
    timers[0].fire()
    assert [caller.responses for caller in arrive(slots, 2)] == [[], [None]]


def test_a_queue_is_answered_in_order_without_those_that_left(timers):
    slots = open_slots(timers, slot_count=1, has_queue=True)
    callers = [Caller() for _ in range(3)]
    calls = [slots.arrive(caller) for caller in callers]
    slots.leave(calls[1], is_cut_off=False)
    assert len(timers) == 1
    timers[0].fire()
    timers[1].fire()
    assert [caller.responses for caller in callers] == [["answer"], [], ["answer"]]
    assert slots.counts.broken_off_count == 1


def test_a_call_that_leaves_frees_its_slot(timers):
    slots = open_slots(timers, slot_count=1, has_queue=True)
    first = slots.arrive(Caller())
    arrive(slots, 1)
    slots.leave(first, is_cut_off=True)
    assert timers[0].is_over
    timers[1].fire()
    counts = slots.counts
    assert (counts.cut_off_count, counts.broken_off_count, counts.answered_count) == (1, 0, 1)


def test_new_weather_resets_the_counts_and_keeps_slots_in_use(timers):
    slots = open_slots(timers, slot_count=1)
    arrive(slots, 1)
    slots.change_weather(Weather(500, slot_count=1))
    assert slots.counts.call_count == 0
    assert arrive(slots, 1)[0].responses == [None]
