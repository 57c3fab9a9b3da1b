"""Buckets keep the same promises in memory and on Redis; the times are the test's own."""

import heapq
import random
from collections.abc import AsyncIterator

import pytest

from services.shared.setting_types import ModelLimit
from services.worker.calls.rate_limits.buckets import Buckets, Returned
from services.worker.calls.rate_limits.gcra import USABLE_SECONDS, gcra_limit
from services.worker.calls.rate_limits.memory_buckets import MemoryBuckets
from services.worker.calls.rate_limits.redis_buckets import RedisBuckets

NONE = Returned()
TEN_A_MINUTE = gcra_limit(ModelLimit(requests_per_minute=10))
TOKENS = gcra_limit(ModelLimit(tokens_per_minute=6_000))  # 300 at once, and about 91 a second
BOTH = gcra_limit(ModelLimit(requests_per_minute=600, tokens_per_minute=6_000))


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
async def buckets(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Buckets]:
    opened: Buckets
    if request.param == "memory":
        opened = MemoryBuckets(clock)
    else:
        opened = RedisBuckets(request.getfixturevalue("redis_url"), clock, timeout_seconds=30.0)
    yield opened
    await opened.close()


async def test_requests_over_the_limit_wait_for_their_time(buckets, clock):
    taken = await buckets.take("k", TEN_A_MINUTE, [0, 0], NONE)
    assert taken.count == 1
    assert 6.0 < taken.wait_seconds < 6.5
    clock.now += taken.wait_seconds - 0.001
    assert (await buckets.take("k", TEN_A_MINUTE, [0], NONE)).count == 0
    clock.now += 0.002
    assert (await buckets.take("k", TEN_A_MINUTE, [0], NONE)).count == 1


async def test_another_key_has_a_limit_of_its_own(buckets):
    assert (await buckets.take("k", TEN_A_MINUTE, [0], NONE)).count == 1
    assert (await buckets.take("other", TEN_A_MINUTE, [0], NONE)).count == 1


async def test_a_request_gets_its_tokens_or_nothing(buckets):
    taken = await buckets.take("k", BOTH, [200, 200, 0], NONE)
    assert taken.count == 1
    assert 1.0 < taken.wait_seconds < 1.2  # for 100 tokens
    assert (
        await buckets.take("k", BOTH, [0, 0, 0, 0], NONE)
    ).count == 3  # the second took no request with it


async def test_requests_and_tokens_that_go_back_can_be_taken_again(buckets):
    assert (await buckets.take("k", TEN_A_MINUTE, [0], NONE)).count == 1
    assert (await buckets.take("k", TEN_A_MINUTE, [0], Returned(request_count=1))).count == 1
    assert (await buckets.take("t", TOKENS, [300], NONE)).count == 1
    assert (await buckets.take("t", TOKENS, [100], Returned(token_count=100))).count == 1
    assert (await buckets.take("t", TOKENS, [1], NONE)).count == 0


async def test_a_request_larger_than_the_burst_passes_when_full_and_leaves_debt(buckets, clock):
    assert (await buckets.take("k", TOKENS, [3_000], NONE)).count == 1
    taken = await buckets.take("k", TOKENS, [300], NONE)
    assert taken.count == 0
    assert 32.0 < taken.wait_seconds < 34.0
    clock.now += taken.wait_seconds + 0.001
    assert (await buckets.take("k", TOKENS, [3_000], NONE)).count == 1


async def test_tokens_used_beyond_what_was_taken_are_a_debt(buckets):
    assert (await buckets.take("k", TOKENS, [10], NONE)).count == 1
    taken = await buckets.take("k", TOKENS, [10], Returned(token_count=-1_000))
    assert taken.count == 0
    assert taken.wait_seconds > 7.0


async def test_more_than_what_is_full_does_not_go_back(buckets):
    await buckets.take("k", TOKENS, [], Returned(token_count=100_000))
    assert (await buckets.take("k", TOKENS, [300, 1], NONE)).count == 1


async def test_what_has_no_limit_is_given(buckets):
    taken = await buckets.take("k", gcra_limit(ModelLimit()), [10**9] * 50, NONE)
    assert (taken.count, taken.wait_seconds) == (50, 0.0)


async def test_ten_workers_stay_within_a_limit_of_600_in_any_minute_and_reach_95_percent(buckets, clock):
    """Ten workers, always hungry, that use what they take late, and give some back, for many minutes."""
    minutes = 30 if isinstance(buckets, MemoryBuckets) else 2
    limit, rng = gcra_limit(ModelLimit(requests_per_minute=600)), random.Random(7)
    start = clock.now
    calls: list[float] = []
    held: list[tuple[float, int]] = []
    due = [(start + rng.random(), worker) for worker in range(10)]
    heapq.heapify(due)
    while due[0][0] < start + minutes * 60:
        clock.now, worker = heapq.heappop(due)
        back = 0
        while held and held[0][0] <= clock.now:
            back += heapq.heappop(held)[1]
        taken = await buckets.take("k", limit, [0] * rng.randint(1, 3), Returned(request_count=back))
        for _ in range(taken.count):
            if rng.random() < 0.05:
                heapq.heappush(held, (clock.now + USABLE_SECONDS, 1))
            else:
                calls.append(clock.now + rng.random() * USABLE_SECONDS)
        heapq.heappush(due, (clock.now + max(taken.wait_seconds, 0.001) + rng.random() * 0.1, worker))
    calls.sort()
    most = max(
        sum(1 for call in calls[first : first + 700] if call < calls[first] + 60)
        for first in range(len(calls))
    )
    assert most <= 600
    assert len(calls) >= 0.95 * 600 * minutes
