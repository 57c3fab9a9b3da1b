"""A response store that is slow or gone holds nobody up."""

import asyncio

import pytest
from structlog.testing import capture_logs

from services.worker.calls.response_cache import Exchange, MemoryResponseStore
from services.worker.calls.response_cache.exchange import AWAY, MAX_COMMANDS, REST_SECONDS
from services.worker.calls.response_cache.response_store import Claim, Drop, Put, StoreAwayError


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Store(MemoryResponseStore):
    """Notes its exchanges, and fails or hangs on demand."""

    def __init__(self):
        super().__init__()
        self.exchanges = []
        self.fault = None
        self.open = asyncio.Event()
        self.open.set()

    async def run(self, commands):
        self.exchanges.append(len(commands))
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        return await super().run(commands)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return Store()


@pytest.fixture
async def exchange(store, clock):
    exchange = Exchange(store, clock, timeout_seconds=0.05)
    yield exchange
    await exchange.close()


def claim(key="a"):
    return Claim(key, b"@me", 10.0)


async def test_what_is_asked_within_a_turn_of_the_loop_goes_in_one_exchange(exchange, store):
    await store.run([Put("k7", b"=seven", 60.0)])
    replies = await asyncio.gather(*(exchange.ask(claim(f"k{number}")) for number in range(50)))
    assert replies == [None] * 7 + [b"=seven"] + [None] * 42
    assert store.exchanges == [1, 50]


async def test_what_comes_meanwhile_gathers_to_the_next_exchange_in_order(exchange, store):
    store.open.clear()
    first = asyncio.create_task(exchange.ask(claim()))
    while not store.exchanges:
        await asyncio.sleep(0)
    exchange.send(Drop("a", b"@me"))
    asked = [asyncio.create_task(exchange.ask(claim())) for _ in range(2)]
    await asyncio.sleep(0)
    store.open.set()
    assert await asyncio.gather(first, *asked) == [None, None, b"@me"]
    assert store.exchanges == [1, 3]


async def test_an_exchange_is_bounded_by_count_and_by_bytes(exchange, store):
    for number in range(MAX_COMMANDS + 1):
        exchange.send(Drop(f"k{number}", b"="))
    for number in range(6):
        exchange.send(Put(f"k{number}", b"x" * 250_000, 60.0))
    await exchange.ask(claim())
    assert store.exchanges == [MAX_COMMANDS, 6, 2]


@pytest.mark.parametrize("fault", [StoreAwayError("gone"), RuntimeError("a bug of the store's client")])
async def test_a_store_that_failed_is_not_asked_for_a_while_and_the_log_says_it_once(
    exchange, store, clock, fault
):
    store.fault = fault
    with capture_logs() as logs:
        assert await asyncio.gather(exchange.ask(claim()), exchange.ask(claim())) == [AWAY, AWAY]
        assert await exchange.ask(claim()) is AWAY
        assert store.exchanges == [2]
        clock.now += REST_SECONDS + 0.1
        assert await exchange.ask(claim()) is AWAY
        assert store.exchanges == [2, 1]
    assert [entry["event"] for entry in logs] == ["response_cache_degraded"]


async def test_a_store_that_is_back_is_used_again(exchange, store, clock):
    store.fault = StoreAwayError("gone")
    await exchange.ask(claim())
    store.fault = None
    clock.now += REST_SECONDS + 0.1
    with capture_logs() as logs:
        assert await exchange.ask(claim()) is None
    assert [entry["event"] for entry in logs] == ["response_cache_restored"]


async def test_a_store_that_hangs_holds_up_nobody_for_longer_than_the_time_of_an_exchange(exchange, store):
    store.open.clear()
    first = asyncio.create_task(exchange.ask(claim()))
    while not store.exchanges:
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await asyncio.gather(first, *(exchange.ask(claim()) for _ in range(500))) == [AWAY] * 501
    assert store.exchanges == [1]


async def test_who_gives_up_asking_harms_nobody(exchange):
    gives_up, stays = (asyncio.create_task(exchange.ask(claim())) for _ in range(2))
    await asyncio.sleep(0)
    gives_up.cancel()
    assert await stays == b"@me"


async def test_commands_that_wait_are_sent_before_the_end(store, clock):
    exchange = Exchange(store, clock)
    exchange.send(Put("a", b"=yes", 60.0))
    await exchange.close()
    await exchange.close()
    assert await store.run([claim()]) == [b"=yes"]
