"""Cool-downs keep the same promises in memory and on Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from services.worker.calls.cooldowns import Cooldowns, MemoryCooldowns, RedisCooldowns, open_cooldowns
from tests.waiting import until


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
async def cooldowns(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Cooldowns]:
    opened: Cooldowns
    if request.param == "memory":
        opened = MemoryCooldowns(clock)
    else:
        opened = RedisCooldowns(request.getfixturevalue("redis_url"), clock)
    yield opened
    await opened.close()


async def test_a_model_nobody_held_is_free(cooldowns):
    assert cooldowns.remaining("p/m") == 0.0


async def test_a_held_model_is_held_at_once_and_no_other(cooldowns):
    cooldowns.hold("p/m", 5.0)
    assert cooldowns.remaining("p/m") == 5.0
    assert cooldowns.remaining("p/other") == 0.0


async def test_of_all_cooldowns_the_longest_is_known(cooldowns, clock):
    assert cooldowns.longest() == 0.0
    cooldowns.hold("p/m", 5.0)
    cooldowns.hold("p/other", 3.0)
    clock.now += 1.0
    assert cooldowns.longest() == 4.0
    clock.now += 5.0
    assert cooldowns.longest() == 0.0


async def test_a_cooldown_ends_by_itself(cooldowns, clock):
    cooldowns.hold("p/m", 5.0)
    clock.now += 4.0
    assert cooldowns.remaining("p/m") == 1.0
    clock.now += 1.5
    assert cooldowns.remaining("p/m") == 0.0


async def test_a_shorter_cooldown_does_not_shorten_a_longer_one(cooldowns):
    cooldowns.hold("p/m", 5.0)
    cooldowns.hold("p/m", 1.0)
    assert cooldowns.remaining("p/m") == 5.0
    cooldowns.hold("p/m", 9.0)
    assert cooldowns.remaining("p/m") == 9.0


async def test_closing_twice_is_fine(cooldowns):
    cooldowns.hold("p/m", 5.0)
    await cooldowns.close()
    await cooldowns.close()


async def test_other_workers_learn_of_a_cooldown_by_themselves(redis_url):
    first, second = RedisCooldowns(redis_url), RedisCooldowns(redis_url)
    assert second.remaining("p/m") == 0.0
    first.hold("p/m", 60.0)
    await until(lambda: second.remaining("p/m") > 50.0)
    assert second.remaining("p/m") <= 60.0
    assert second.remaining("p/other") == 0.0
    await first.close()
    await second.close()


async def test_a_shorter_cooldown_of_another_worker_does_not_shorten_a_longer_one(redis_url):
    first, second, third = (RedisCooldowns(redis_url) for _ in range(3))
    first.hold("p/m", 60.0)
    await until(lambda: second.remaining("p/m") > 50.0)
    second.hold("p/m", 1.0)
    second.hold("p/sign", 60.0)  # written together with the shorter one
    await until(lambda: third.remaining("p/sign") > 0.0)
    await until(lambda: third.remaining("p/m") > 50.0)
    for each in (first, second, third):
        await each.close()


async def test_without_redis_a_worker_goes_on_with_what_it_knows_and_says_so_once():
    with capture_logs() as logs:
        alone = RedisCooldowns("redis://127.0.0.1:1/0")
        alone.hold("p/m", 60.0)
        await until(lambda: bool(logs))
        alone.hold("p/n", 60.0)
        await asyncio.sleep(0.6)  # time for two more vain attempts
        assert alone.remaining("p/m") > 50.0
        assert alone.remaining("p/n") > 50.0
        await alone.close()
    assert [entry["event"] for entry in logs] == ["cooldowns_degraded"]


async def test_a_url_names_which_cooldowns(redis_url):
    memory, shared = open_cooldowns("memory://"), open_cooldowns(redis_url)
    assert isinstance(memory, MemoryCooldowns)
    assert isinstance(shared, RedisCooldowns)
    await shared.close()
