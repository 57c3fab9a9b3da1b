"""The rule of Inspect AI in the bench: doubling, cuts of a fifth, and growth of a twentieth."""

import asyncio
import heapq
import random

import pytest

from tests.bench.peers.inspect_rule import AdaptiveSlots, InspectRule


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def share_after_minutes(noise: float, seed: int) -> float:
    """Returns the share of 300 calls of 2 s in flight that the rule keeps from 300 s to 600 s.

    The client repeats a rejected call after about 0.5 and 1 s, and Inspect after 3 s.
    """
    clock, rng, answered_count, in_use_count = Clock(), random.Random(seed), 0, 0
    rule = InspectRule(300, clock)
    calls: list[tuple[float, float, int]] = []  # end, a random number that orders equal ends, retries
    end = clock.now

    def begin(now: float, retry_count: int) -> None:
        if rng.random() < noise:
            rule.note_rejection()
            wait = (0.44, 0.88, 3.0)[min(retry_count, 2)]
            heapq.heappush(calls, (now + wait, -rng.random(), retry_count + 1))
        else:
            heapq.heappush(calls, (now + 2.0, rng.random(), retry_count))

    while end < 700.0:
        while in_use_count < rule.limit:
            in_use_count += 1
            begin(clock.now, 0)
        end, order, retry_count = heapq.heappop(calls)
        clock.now = end
        if order < 0:
            begin(end, retry_count)
            continue
        in_use_count -= 1
        answered_count += end >= 400.0
        if not retry_count:
            rule.note_answer()
    return answered_count / (300 * 150)


def answer(rule: InspectRule, count: int) -> None:
    for _ in range(count):
        rule.note_answer()


def test_the_limit_starts_at_20_or_at_a_lower_ceiling(clock):
    assert [InspectRule(ceiling, clock).limit for ceiling in (300, 10)] == [20, 10]


def test_the_limit_doubles_per_round_up_to_the_ceiling_until_a_rejection(clock):
    rule, limits = InspectRule(100, clock), []
    for _ in range(4):
        answer(rule, rule.limit)
        limits.append(rule.limit)
    assert limits == [40, 80, 100, 100]


def test_a_round_is_as_long_as_the_limit(clock):
    rule = InspectRule(100, clock)
    answer(rule, 19)
    assert rule.limit == 20


def test_a_rejection_cuts_a_fifth_at_most_once_in_15_seconds(clock):
    rule = InspectRule(300, clock)
    rule.note_rejection()
    rule.note_rejection()
    clock.now += 14.9
    rule.note_rejection()
    assert rule.limit == 15
    clock.now += 0.2
    rule.note_rejection()
    assert rule.limit == 10


def test_a_longer_retry_after_defers_the_next_cut(clock):
    rule = InspectRule(300, clock)
    rule.note_rejection(retry_after=30)
    clock.now += 20
    rule.note_rejection()
    assert rule.limit == 15
    clock.now += 11
    rule.note_rejection()
    assert rule.limit == 10


def test_answers_soon_after_a_cut_do_not_count(clock):
    rule = InspectRule(300, clock)
    rule.note_rejection()
    answer(rule, 100)
    assert rule.limit == 15
    clock.now += 15
    answer(rule, 14)
    assert rule.limit == 15


def test_after_a_rejection_the_limit_grows_by_a_twentieth_to_a_multiple_of_five(clock):
    rule = InspectRule(300, clock)
    answer(rule, 20 + 40 + 80)
    rule.note_rejection()
    assert rule.limit == 125  # 128 as a multiple of five
    clock.now += 15
    answer(rule, 125)
    assert rule.limit == 135  # 131 as a multiple of five


def test_a_rejection_starts_the_round_anew_even_if_it_cuts_nothing(clock):
    rule = InspectRule(300, clock)
    rule.note_rejection()
    clock.now += 15
    answer(rule, 14)
    clock.now -= 1
    rule.note_rejection()
    clock.now += 1
    answer(rule, 14)
    assert rule.limit == 15


def test_below_ten_the_limit_moves_by_one_and_never_below_four(clock):
    rule = InspectRule(300, clock)
    limits = []
    for _ in range(7):
        rule.note_rejection()
        clock.now += 15
        limits.append(rule.limit)
    assert limits == [15, 10, 8, 6, 4, 4, 4]
    answer(rule, 4)
    assert rule.limit == 5


async def test_slots_follow_the_limit(clock):
    rule = InspectRule(300, clock)
    slots, running, end = AdaptiveSlots(rule), [], asyncio.Event()

    async def work(number: int) -> None:
        async with slots:
            running.append(number)
            await end.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(50)]
    await asyncio.sleep(0)
    assert running == list(range(20))
    answer(rule, 20)
    async with asyncio.timeout(5):
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        await asyncio.sleep(0)
        assert running == list(range(41))
        end.set()
        await asyncio.gather(*tasks[1:])
    assert running == list(range(50))


async def test_a_cancelled_waiter_takes_no_slot(clock):
    rule = InspectRule(1, clock)
    slots = AdaptiveSlots(rule)
    await slots.__aenter__()
    first, second = (asyncio.create_task(slots.__aenter__()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await slots.__aexit__()
    async with asyncio.timeout(5):
        await second


@pytest.mark.parametrize(("noise", "least", "most"), [(0.01, 0.07, 0.15), (0.05, 0.02, 0.06)])
def test_in_the_long_run_noise_costs_the_rule_most_of_its_slots(noise, least, most):
    shares = [share_after_minutes(noise, seed) for seed in range(1, 5)]
    assert least <= min(shares) <= max(shares) <= most, shares
