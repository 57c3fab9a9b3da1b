"""Workers share outages and probes through Redis, and each carries on alone while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from structlog.testing import capture_logs

from services.worker.calls.outages import MemoryOutages, Outages, RedisOutages, open_outages
from tests.waiting import until

KEY = "host:80/m"
FAULT = ("PROVIDER_UNREACHABLE", "gone")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def taken(outages: Outages) -> str:
    """Returns the token of a probe once one is granted."""
    async with asyncio.timeout(10):
        while not (token := await outages.take_probe(KEY)):
            await asyncio.sleep(0.02)
    return token


@pytest.fixture
async def make_outages(redis_url: str) -> AsyncIterator[Callable[[], RedisOutages]]:
    opened: list[RedisOutages] = []

    def make(url: str = redis_url) -> RedisOutages:
        opened.append(RedisOutages(url, rng=lambda: 0.0))
        return opened[-1]

    yield make
    for outages in opened:
        await outages.close()


async def test_all_workers_see_the_beginning_and_the_end_of_an_outage_within_half_a_second(make_outages):
    first, second = make_outages(), make_outages()
    assert second.find(KEY) is None
    await asyncio.sleep(0.3)
    first.begin(KEY, *FAULT)
    await until(lambda: second.find(KEY) is not None, 0.5)
    assert second.find(KEY).outage_id == first.find(KEY).outage_id
    assert (second.find(KEY).reason, second.find(KEY).message) == FAULT
    await taken(second)
    second.end(KEY)
    await until(lambda: first.find(KEY) is None, 0.5)


async def test_one_worker_of_the_fleet_probes_at_a_time(make_outages):
    fleet = [make_outages() for _ in range(5)]
    fleet[0].begin(KEY, *FAULT)
    await until(lambda: all(worker.find(KEY) for worker in fleet))
    await asyncio.sleep(0.7)
    tokens = await asyncio.gather(*(worker.take_probe(KEY) for worker in fleet))
    assert sum(token is not None for token in tokens) == 1
    prober = next(worker for worker, token in zip(fleet, tokens, strict=True) if token)
    prober.fail_probe(KEY, next(token for token in tokens if token), "PROVIDER_ERROR", "HTTP 503")
    await until(lambda: {worker.find(KEY).probe_count for worker in fleet} == {1})
    assert {worker.find(KEY).reason for worker in fleet} == {"PROVIDER_ERROR"}
    for worker in fleet:
        assert await worker.take_probe(KEY) is None  # the next one is due in a second


async def test_a_probe_without_an_outcome_makes_room_for_another_worker(make_outages):
    first, second = make_outages(), make_outages()
    first.begin(KEY, *FAULT)
    await until(lambda: second.find(KEY) is not None)
    token = await taken(first)
    first.drop_probe(KEY, token)
    assert await taken(second)


async def test_an_outage_that_redis_has_lost_goes_on(make_outages, redis_url):
    first, second = make_outages(), make_outages()
    first.begin(KEY, *FAULT)
    await until(lambda: second.find(KEY) is not None)
    await first._redis.flushdb()
    await asyncio.sleep(0.6)
    third = make_outages()
    await until(lambda: third.find(KEY) is not None)
    assert {worker.find(KEY).outage_id for worker in (first, second, third)} == {first.find(KEY).outage_id}


async def test_without_redis_a_worker_opens_probes_and_closes_alone_and_says_so_once(make_outages):
    with capture_logs() as logs:
        alone = make_outages("redis://127.0.0.1:1/0")
        alone.begin(KEY, *FAULT)
        await until(lambda: len(logs) == 2)
        assert alone.find(KEY) is not None
        token = await taken(alone)
        alone.fail_probe(KEY, token, *FAULT)
        assert alone.find(KEY).probe_count == 1
        await taken(alone)
        alone.end(KEY)
        assert alone.find(KEY) is None
    events = [entry["event"] for entry in logs]
    assert sorted(events) == ["outages_degraded", "provider_outage_began", "provider_outage_ended"]


async def test_a_url_names_which_outages(make_outages, redis_url):
    memory, shared = open_outages("memory://"), open_outages(redis_url)
    assert isinstance(memory, MemoryOutages)
    assert isinstance(shared, RedisOutages)
    await shared.close()
    await shared.close()
