"""One ladder: the state in Redis, and a part of it for each worker while Redis is away."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from services.worker.calls.breaker import Breaker
from services.worker.calls.shared_fallback import SharedFallback


class GivenState:
    def __init__(self):
        self.error = None
        self.ask_count = self.close_count = 0

    async def ask(self):
        self.ask_count += 1
        if self.error is not None:
            raise self.error
        return "shared"

    async def close(self):
        self.close_count += 1


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def state():
    return GivenState()


async def own_part(worker_count):
    return f"1 of {worker_count}"


def fallback_on(state, clock, worker_count=4):
    return SharedFallback(state, Breaker(clock=clock), lambda: worker_count)


async def test_the_shared_state_is_asked_first(state, clock):
    fallback = fallback_on(state, clock)
    assert await fallback.ask(GivenState.ask, own_part) == "shared"
    assert fallback.outage_seconds == 0.0


async def test_while_it_fails_each_live_worker_has_its_part(state, clock):
    fallback = fallback_on(state, clock)
    state.error = RedisConnectionError()
    assert await fallback.ask(GivenState.ask, own_part) == "1 of 4"
    clock.now += 1.0
    assert await fallback.ask(GivenState.ask, own_part) == "1 of 4"
    assert (state.ask_count, fallback.outage_seconds) == (1, 1.0)
    state.error = None
    clock.now += 1.0
    assert await fallback.ask(GivenState.ask, own_part) == "shared"


async def test_without_shared_state_a_worker_has_its_part_for_good(clock):
    fallback = fallback_on(None, clock)
    assert await fallback.ask(GivenState.ask, own_part) == "1 of 4"
    assert fallback.outage_seconds == float("inf")
    await fallback.close()


async def test_a_worker_that_knows_of_no_other_has_the_whole(clock):
    assert await fallback_on(None, clock, worker_count=0).ask(GivenState.ask, own_part) == "1 of 1"


async def test_closing_closes_the_shared_state(state, clock):
    await fallback_on(state, clock).close()
    assert state.close_count == 1
