"""The rule of Inspect AI in the bench: doubling, cuts of a fifth, and growth of a twentieth."""

import asyncio

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
