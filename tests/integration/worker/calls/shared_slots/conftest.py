"""Pools in Redis and their model in memory, by a clock of the test's own."""

from collections.abc import AsyncIterator

import pytest

from services.worker.calls.shared_slots.pools import Pools
from services.worker.calls.shared_slots.redis_pools import RedisPools
from tests.integration.worker.calls.shared_slots.memory_pools import MemoryPools


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
async def pools(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Pools]:
    opened: Pools
    if request.param == "memory":
        opened = MemoryPools(clock)
    else:
        opened = RedisPools(request.getfixturevalue("redis_url"), clock, timeout_seconds=30.0)
    yield opened
    await opened.close()
