import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from services.worker.calls.breaker import REST_SECONDS, STALE_SECONDS, Breaker
from tests.simulation.virtual_time import run_virtually


class GivenRedis:
    """Replies, or fails, as the test says."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.call_count = 0

    async def ask(self) -> str:
        self.call_count += 1
        if self.error is not None:
            raise self.error
        return "reply"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def redis():
    return GivenRedis()


@pytest.fixture
def breaker(clock):
    return Breaker(lambda: 3, clock)


async def test_a_closed_breaker_passes_replies_on(breaker, redis):
    assert await breaker.call(redis.ask) == "reply"
    assert (breaker.is_open, breaker.open_seconds) == (False, 0.0)


@pytest.mark.parametrize("error", [RedisConnectionError(), OSError(), TimeoutError()])
async def test_after_a_failure_nothing_is_asked_for_2_s(breaker, redis, clock, error):
    redis.error = error
    assert await breaker.call(redis.ask) is None
    clock.now += REST_SECONDS - 0.1
    assert await breaker.call(redis.ask) is None
    assert redis.call_count == 1
    clock.now += 0.1
    assert await breaker.call(redis.ask) is None
    assert redis.call_count == 2


async def test_a_fault_of_our_own_is_raised(breaker, redis):
    redis.error = KeyError()
    with pytest.raises(KeyError):
        await breaker.call(redis.ask)
    assert not breaker.is_open


async def test_the_log_says_a_change_once(breaker, redis, clock):
    redis.error = RedisConnectionError()
    with capture_logs() as logs:
        for _ in range(3):
            await breaker.call(redis.ask)
            clock.now += REST_SECONDS
        redis.error = None
        await breaker.call(redis.ask)
    assert [line["event"] for line in logs] == ["limits_degraded", "limits_restored"]
    assert (logs[0]["error"], logs[0]["worker_count"]) == ("ConnectionError", 3)


async def test_it_stays_open_while_it_is_asked_and_knows_since_when(breaker, redis, clock):
    redis.error = RedisConnectionError()
    for _ in range(15):
        await breaker.call(redis.ask)
        clock.now += 1.0
    assert (breaker.is_open, breaker.open_seconds) == (True, 15.0)


async def test_an_old_failure_says_nothing_and_the_next_one_opens_it_anew(breaker, redis, clock):
    redis.error = RedisConnectionError()
    await breaker.call(redis.ask)
    clock.now += STALE_SECONDS
    assert (breaker.is_open, breaker.open_seconds) == (False, 0.0)
    await breaker.call(redis.ask)
    clock.now += 1.0
    assert breaker.open_seconds == 1.0


def test_a_call_waits_for_no_longer_than_250_ms():
    async def call():
        loop = asyncio.get_running_loop()
        begin = loop.time()
        reply = await Breaker(clock=loop.time).call(asyncio.Event().wait)
        return reply, loop.time() - begin

    assert run_virtually(call()) == (None, 0.25)
