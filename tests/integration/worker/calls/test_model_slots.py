"""Workers keep the ceiling of a model's calls together, also while their parts move."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from services.shared.setting_types import ModelLimit
from services.worker.calls.model_slots import ModelSlots, open_model_slots
from services.worker.calls.shared_slots.slots import SlotHolder

LIMIT = 10
LIMITS = {"m": ModelLimit(concurrency=LIMIT), "free": ModelLimit(requests_per_minute=1)}


class Calls:
    """Calls of all workers, with the most that were in flight at once."""

    def __init__(self) -> None:
        self.in_flight_count = self.max_count = 0

    async def make(self, worker: ModelSlots, seconds: float) -> None:
        slots = worker.of("m")
        assert slots is not None
        async with slots.take(0):
            self.in_flight_count += 1
            self.max_count = max(self.max_count, self.in_flight_count)
            await asyncio.sleep(seconds)
            self.in_flight_count -= 1


@pytest.fixture
async def start(redis_url: str) -> AsyncIterator[Callable[[str], ModelSlots]]:
    started: list[ModelSlots] = []

    def start_worker(name: str, url: str = redis_url, worker_count: int = 2) -> ModelSlots:
        holder = SlotHolder(name, 100)
        started.append(open_model_slots(LIMITS, url, holder, "p", worker_count=lambda: worker_count))
        return started[-1]

    yield start_worker
    for worker in started:
        await worker.close()


async def test_two_workers_never_exceed_the_ceiling_while_their_parts_move(start):
    first, second = start("first"), start("second")
    calls, rng = Calls(), random.Random(7)
    async with asyncio.TaskGroup() as group:
        for worker, counts in ((first, (40, 0, 60, 5)), (second, (5, 60, 0, 40))):
            for phase, count in enumerate(counts):
                for _ in range(count):
                    group.create_task(later(phase * 0.5, calls.make, worker, rng.uniform(0.02, 0.15)))
    assert calls.max_count == LIMIT


async def later(delay: float, make, worker: ModelSlots, seconds: float) -> None:
    await asyncio.sleep(delay)
    await make(worker, seconds)


async def test_without_redis_each_live_worker_has_its_part_and_one_at_least(start):
    for worker_count, part in ((2, 5), (40, 1)):
        worker, calls = start("alone", "memory://", worker_count), Calls()
        async with asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(calls.make(worker, 0.01))
        assert calls.max_count == part


async def test_only_models_with_a_ceiling_have_slots(start):
    worker = start("first", "memory://")
    assert worker.of("m") is not None
    assert worker.of("free") is None
    assert worker.of("other") is None
    assert not worker.is_crowded("other")
