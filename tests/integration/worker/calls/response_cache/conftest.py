"""Workers' caches on one store, in memory and on Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from headrace.kinds import Completion, RetryableError
from services.worker.calls.response_cache import (
    Exchange,
    MemoryResponseStore,
    RedisResponseStore,
    SingleFlight,
)
from services.worker.calls.response_cache.response_store import Claim, ResponseStore
from services.worker.calls.response_cache.single_flight import FlightTimes, Outcome

Workers = Callable[..., SingleFlight]


class Call:
    """Makes a call that lasts until the test ends it, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun_count = 0
        self._begun = asyncio.Condition()
        self._ends: asyncio.Queue[Completion | str] = asyncio.Queue()

    async def make(self) -> Completion:
        self.begun_count += 1
        async with self._begun:
            self._begun.notify_all()
        end = await self._ends.get()
        if isinstance(end, str):
            raise RetryableError(end, "it failed")
        return end

    async def begun(self, count: int = 1) -> None:
        async with asyncio.timeout(5), self._begun:  # less than a mark lasts
            await self._begun.wait_for(lambda: self.begun_count >= count)

    def end(self, with_: Completion | str) -> None:
        self._ends.put_nowait(with_)


@pytest.fixture
def call() -> Call:
    return Call()


@pytest.fixture(params=["memory", "redis"])
async def make_store(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], ResponseStore]]:
    """Each call returns one more worker's connection to the one store."""
    stores: list[ResponseStore] = []
    memory = MemoryResponseStore()
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def make() -> ResponseStore:
        stores.append(RedisResponseStore(url) if url else memory)
        return stores[-1]

    yield make
    for store in stores:
        await store.close()


@pytest.fixture
async def make_worker(make_store: Callable[[], ResponseStore]) -> AsyncIterator[Workers]:
    """Each call returns the single flight of one more worker, with times as in FlightTimes."""
    exchanges: list[Exchange] = []

    def make(**times: float) -> SingleFlight:
        # Patient: a busy machine is not a store that is away.
        exchanges.append(Exchange(make_store(), timeout_seconds=10.0))
        quick = {"poll_period": 0.01} | times
        return SingleFlight(exchanges[-1], f"worker-{len(exchanges)}", FlightTimes(**quick))

    yield make
    for exchange in exchanges:
        await exchange.close()


@pytest.fixture
def ask(call: Call) -> Callable[..., "asyncio.Task[tuple[Completion, Outcome]]"]:
    """Begins to ask a worker for the response of one and the same call."""

    def begin(
        worker: SingleFlight, key: str = "k", patience: float = 60.0
    ) -> "asyncio.Task[tuple[Completion, Outcome]]":
        return asyncio.create_task(worker.complete(key, call.make, patience))

    return begin


@pytest.fixture
def until_gone() -> Callable[[ResponseStore, str], Awaitable[None]]:
    """Returns once a key of a store is empty."""

    async def wait(store: ResponseStore, key: str) -> None:
        async with asyncio.timeout(10):
            while await store.run([Claim(key, b"@probe", 0.001)]) != [None]:
                await asyncio.sleep(0.01)

    return wait
