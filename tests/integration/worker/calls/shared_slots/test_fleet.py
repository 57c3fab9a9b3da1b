"""Ten workers share the slots of a tenant through the real script; the time is the test's own."""

import asyncio
import random

import pytest
import redis

from services.worker.calls.shared_slots.pools import Granted, SlotRequest
from services.worker.calls.shared_slots.redis_pools import _ASK
from services.worker.calls.shared_slots.shared_pools import SharedPools
from services.worker.calls.shared_slots.slots import SharedSlots, SlotHolder, SlotPool

LIMIT, WORKERS, SECONDS, WARM_SECONDS = 40, 10, 240.0, 10.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time advances as soon as it is idle."""

    _now = 1_000.0

    def time(self):
        return self._now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0]._when)
        super()._run_once()


class FarRedis:
    """The script on a real Redis, at the loop's time, some milliseconds away from each worker."""

    def __init__(self, url, rng):
        self._redis = redis.Redis.from_url(url)
        self._script, self._rng = self._redis.register_script(_ASK), rng
        self.ask_count = 0

    async def ask(self, request: SlotRequest) -> Granted:
        await asyncio.sleep(self._rng.random() * 0.02)
        now = int(asyncio.get_running_loop().time() * 1000)
        args = [
            now,
            request.holder,
            request.limit,
            request.part,
            request.used,
            request.wanted,
            request.number,
        ]
        count, target = self._script(keys=[f"fleet:{request.key}"], args=args)
        self.ask_count += 1
        await asyncio.sleep(self._rng.random() * 0.02)
        return Granted(count, target)

    async def close(self):
        self._redis.close()


class Fleet:
    """Counts the calls in flight of all workers."""

    def __init__(self, store, rng):
        self.store, self.rng = store, rng
        self.in_flight = self.peak = 0
        self.call_seconds = 0.0
        self.begin = 0.0
        self.numbers = iter(range(1_000_000))

    async def call(self):
        """A call at the provider. It ends on its own, whatever happens to its worker."""
        loop = asyncio.get_running_loop()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        start = max(loop.time(), self.begin + WARM_SECONDS)
        await asyncio.sleep(0.05 + self.rng.random() * 1.5)
        self.in_flight -= 1
        self.call_seconds += max(0.0, min(loop.time(), self.begin + SECONDS) - start)


class Patience:
    """A breaker that never opens: a process that is frozen does not see its timeouts either."""

    open_seconds = 0.0

    async def call(self, ask):
        return await ask()


class SimulatedWorker:
    """A worker that always has work for all of its slots, and that can be frozen and killed."""

    def __init__(self, fleet, size):
        self.fleet, self.size = fleet, size
        self.runs, self.is_leaving = asyncio.Event(), False
        self.calls: set[asyncio.Task] = set()
        self.runs.set()
        shared = SharedPools(self, Patience(), lambda: WORKERS)
        name = f"worker-{next(fleet.numbers)}"
        self.slots = SharedSlots(
            shared,
            SlotPool("t", LIMIT),
            SlotHolder(name, size),
            demand=lambda: len(self.items),
            changed=lambda: None,
        )
        self.items = [asyncio.create_task(self._work()) for _ in range(size)]

    async def ask(self, request):
        await self.runs.wait()
        granted = await self.fleet.store.ask(request)
        await self.runs.wait()  # what came meanwhile is found late
        return granted

    async def close(self):
        pass

    async def _work(self):
        while not self.is_leaving:
            await self.runs.wait()
            async with self.slots.take(0):
                if self.runs.is_set() and not self.is_leaving:
                    call = asyncio.create_task(self.fleet.call())
                    self.calls.add(call)
                    call.add_done_callback(self.calls.discard)
                    await asyncio.shield(call)

    async def leave(self):
        self.is_leaving = True
        await asyncio.gather(*self.calls)
        await self._end()
        await self.slots.close()

    async def die(self):
        if self.slots._task is not None:
            self.slots._task.cancel()
        await self._end()

    async def freeze(self, seconds):
        self.runs.clear()
        await asyncio.sleep(seconds)
        self.runs.set()

    async def _end(self):
        for item in self.items:
            item.cancel()
        await asyncio.gather(*self.items, return_exceptions=True)
        self.items = []


async def trouble(fleet):
    """Lets workers come, go, freeze and die."""
    loop = asyncio.get_running_loop()
    workers = [SimulatedWorker(fleet, fleet.rng.choice([3, 10, 40])) for _ in range(WORKERS)]
    freezing = []
    while (left := fleet.begin + SECONDS - loop.time()) > 0:
        await asyncio.sleep(min(left, 6 + fleet.rng.random() * 14))
        index = fleet.rng.randrange(WORKERS)
        what = fleet.rng.choice(["leave", "leave", "freeze", "freeze for long", "die"])
        if what.startswith("freeze"):
            seconds = 14.0 if what == "freeze for long" else 2.0
            freezing.append(asyncio.create_task(workers[index].freeze(seconds)))
            continue
        await (workers[index].leave() if what == "leave" else workers[index].die())
        workers[index] = SimulatedWorker(fleet, fleet.rng.choice([3, 10, 40]))
    await asyncio.gather(*freezing)
    for worker in workers:
        await worker.leave()


@pytest.mark.parametrize("seed", [1, 2])
def test_ten_workers_in_trouble_never_use_more_than_the_limit_and_hardly_less(redis_url, seed):
    rng = random.Random(seed)
    store = FarRedis(redis_url, rng)

    async def run():
        fleet = Fleet(store, rng)
        fleet.begin = asyncio.get_running_loop().time()
        await trouble(fleet)
        return fleet

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        fleet = runner.run(run())
        runner.run(store.close())
    assert fleet.peak <= LIMIT
    used = fleet.call_seconds / (LIMIT * (SECONDS - WARM_SECONDS))
    print(f"used {used:.3f}, asks {store.ask_count}")
    assert used >= 0.95
    assert store.ask_count <= 5 * WORKERS * SECONDS
