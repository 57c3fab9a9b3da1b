"""While the response store is away, calls are made as without it, and shared within their worker."""

import asyncio

import pytest

from headrace.kinds import Completion
from services.worker.calls.response_cache import Exchange, MemoryResponseStore, SingleFlight
from services.worker.calls.response_cache.encoding import mark_of
from services.worker.calls.response_cache.response_store import Put, StoreAwayError
from services.worker.calls.response_cache.single_flight import FlightTimes, Outcome

YES = Completion("yes")


class Store(MemoryResponseStore):
    """Counts its exchanges, and is away on demand."""

    def __init__(self):
        super().__init__()
        self.run_count = 0
        self.is_away = False

    async def run(self, commands):
        self.run_count += 1
        if self.is_away:
            raise StoreAwayError("gone")
        return await super().run(commands)


class Call:
    count = 0

    def __init__(self):
        self.may_end = asyncio.Event()

    async def make(self):
        self.count += 1
        await self.may_end.wait()
        return YES


@pytest.fixture
def store():
    return Store()


@pytest.fixture
async def single_flight(store):
    exchange = Exchange(store)
    yield SingleFlight(exchange, "w", FlightTimes(poll_period=0.01, renewal_period=0.01))
    await exchange.close()


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_equal_calls_of_a_worker_are_still_made_once(single_flight, store):
    store.is_away = True
    call = Call()
    asked = [asyncio.create_task(single_flight.complete("k", call.make, 60.0)) for _ in range(5)]
    await turns()
    call.may_end.set()
    responses = await asyncio.gather(*asked)
    assert responses == [(YES, Outcome.UNREACHABLE)] + [(YES, Outcome.SHARED)] * 4
    assert call.count == 1
    assert store.run_count == 1


async def test_one_that_waits_for_another_worker_makes_its_call_when_the_store_goes_away(
    single_flight, store
):
    await store.run([Put("k", mark_of("other"), 60.0)])
    call = Call()
    call.may_end.set()
    asked = asyncio.create_task(single_flight.complete("k", call.make, 60.0))
    async with asyncio.timeout(5):
        while store.run_count < 4:  # it looks again and again
            await asyncio.sleep(0.005)
        assert call.count == 0
        store.is_away = True
        assert await asked == (YES, Outcome.UNREACHABLE)


async def test_a_store_that_goes_away_during_a_call_harms_nobody(single_flight, store):
    call = Call()
    asked = asyncio.create_task(single_flight.complete("k", call.make, 60.0))
    async with asyncio.timeout(5):
        while not call.count:
            await asyncio.sleep(0.001)
        store.is_away = True
        while store.run_count < 2:  # its mark cannot be renewed
            await asyncio.sleep(0.005)
        call.may_end.set()
        assert await asked == (YES, Outcome.CALLED)
