"""Calls of a tenant wait for its slots; one task asks for them, in blocks."""

import asyncio

import pytest

from services.shared.setting_types import read_tenant_concurrency
from services.worker.calls.breaker import Breaker
from services.worker.calls.shared_slots.pools import EXPIRY_SECONDS, Granted
from services.worker.calls.shared_slots.shared_pools import SharedPools
from services.worker.calls.shared_slots.slots import SharedSlots, SlotHolder, SlotPool
from services.worker.calls.tenant_slots import TenantSlotRegistry, open_tenant_slots


class GivenPools:
    """Grants what the test allows."""

    def __init__(self) -> None:
        self.allowed, self.target = 0, 1_000
        self.asked: list[tuple[int, int]] = []
        self.error: Exception | None = None

    async def ask(self, request):
        self.asked.append((request.used, request.wanted))
        if self.error is not None:
            raise self.error
        return Granted(max(request.used, min(self.allowed, request.wanted, self.target)), self.target)

    async def close(self):
        pass


class Bench:
    """The slots of one tenant, and calls that hold them until they are ended."""

    def __init__(self) -> None:
        self.pools, self.demand, self.changes, self.now = GivenPools(), 0, 0, 0.0
        self.breaker = Breaker(lambda: 4, lambda: self.now)
        self.slots = SharedSlots(
            SharedPools(self.pools, self.breaker, lambda: 4),
            SlotPool("k", limit=20),
            SlotHolder("h", limit=10),
            demand=lambda: self.demand,
            changed=self._note_change,
        )
        self.order: list[str] = []
        self.calls: dict[str, asyncio.Task] = {}
        self.ends: dict[str, asyncio.Event] = {}

    def _note_change(self):
        self.changes += 1

    async def call(self, *names: str, rank: int = 0) -> None:
        async def hold(name):
            async with self.slots.take(rank):
                self.order.append(name)
                await self.ends[name].wait()

        for name in names:
            self.ends[name] = asyncio.Event()
            self.calls[name] = asyncio.create_task(hold(name))
        await settle()

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
        await settle()

    async def until(self, condition) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def bench():
    made = Bench()
    yield made
    for call in made.calls.values():
        call.cancel()
    await asyncio.gather(*made.calls.values(), return_exceptions=True)
    await made.slots.close()


async def test_calls_beyond_the_slots_wait_until_others_end(bench):
    bench.pools.allowed = 2
    await bench.call("a", "b", "c")
    assert bench.order == ["a", "b"]
    assert bench.slots.waiting_count == 1
    await bench.end("a")
    assert bench.order == ["a", "b", "c"]


async def test_calls_within_the_slots_ask_nobody(bench):
    bench.pools.allowed, bench.demand = 10, 10
    await bench.call("a")
    await bench.call(*"bcdefgh")
    assert bench.order == list("abcdefgh")
    assert bench.pools.asked == [(0, 10)]


async def test_the_lowest_rank_goes_first(bench):
    bench.pools.allowed = 1
    await bench.call("a")
    await bench.call("late", rank=2)
    await bench.call("early", rank=1)
    await bench.end("a", "early")
    assert bench.order == ["a", "early", "late"]


async def test_a_call_that_is_cancelled_leaves_its_slot_to_the_next(bench):
    bench.pools.allowed = 1
    await bench.call("a", "b", "c")
    bench.calls["a"].cancel()
    while not bench.calls["a"].done():
        await asyncio.sleep(0)
    bench.calls["b"].cancel()  # it may have got the slot just now
    await settle()
    assert bench.order[-1] == "c"


async def test_who_has_more_than_its_share_lets_go_as_calls_end(bench):
    bench.pools.allowed = 4
    await bench.call(*"abcd")
    bench.pools.target = 2
    await bench.call("e")
    await bench.until(lambda: len(bench.pools.asked) >= 2)
    await bench.end("a")
    assert bench.order == list("abcd")
    await bench.until(lambda: bench.pools.asked[-1][0] == 3)
    await bench.end("b", "c")
    assert bench.order == list("abcde")


async def test_a_grant_that_has_expired_lets_nothing_more_start(bench, monkeypatch):
    bench.pools.allowed = 5
    await bench.call("a")
    loop = asyncio.get_running_loop()
    begin = loop.time()
    bench.pools.allowed = 0
    monkeypatch.setattr(loop, "time", lambda: begin + EXPIRY_SECONDS)  # this process was frozen
    assert bench.slots.count == 0
    await bench.call("b")
    assert bench.order == ["a"]
    assert bench.pools.asked[-1][0] == 1  # what it really has


async def test_items_are_started_within_the_slots_and_the_worker_is_notified_of_more(bench):
    assert not bench.slots.may_start(0)
    bench.pools.allowed, bench.demand = 2, 5
    await bench.until(lambda: bench.changes == 1)
    assert bench.slots.may_start(1)
    assert not bench.slots.may_start(2)
    assert bench.slots.parked_count(5, 2) == 3
    bench.pools.allowed = 5
    await bench.until(lambda: bench.changes == 2)
    assert bench.slots.may_start(2)
    assert bench.slots.parked_count(5, 2) == 0


async def test_slots_that_nobody_wants_go_back(bench):
    bench.pools.allowed = 3
    await bench.call("a")
    await bench.end("a")
    await bench.until(lambda: bench.slots.is_idle)
    assert bench.pools.asked[-1] == (0, 0)


async def test_a_worker_that_waits_for_slots_asks_four_times_a_second(bench):
    bench.pools.allowed = 1
    begin = asyncio.get_running_loop().time()
    await bench.call("a", "b")
    await bench.until(lambda: len(bench.pools.asked) == 4)
    assert asyncio.get_running_loop().time() - begin >= 0.7


async def test_without_redis_a_worker_keeps_what_it_has_and_then_takes_its_part(bench):
    bench.pools.error = ConnectionRefusedError()
    await bench.call(*"abcdefg")
    assert bench.order == []  # others may still have all of it
    assert bench.breaker.is_open
    bench.now = 9.0
    await bench.until(lambda: len(bench.pools.asked) == 2)
    bench.now = EXPIRY_SECONDS
    await bench.until(lambda: len(bench.order) == 5)


async def test_in_memory_a_worker_takes_its_part():
    limits = open_tenant_slots({"*": 6, "big": 50}, "memory://", "h", 10, worker_count=lambda: 2)
    for tenant, expected in (("a", 3), ("big", 10)):
        slots = limits.of(tenant)
        async with slots.take(0):
            limits.serve(lambda tenant: 10, lambda: None)
            async with asyncio.timeout(5):
                while slots.count < expected:
                    slots.may_start(slots.count)
                    await asyncio.sleep(0.001)
        assert slots.count == expected
    await limits.close()


async def test_without_a_limit_there_are_no_slots():
    pools = SharedPools(GivenPools(), Breaker(), lambda: 1)
    assert not TenantSlotRegistry({}, pools, SlotHolder("h", 10))
    assert TenantSlotRegistry({"a": 1}, pools, SlotHolder("h", 10)).of("b") is None


def test_limits_are_read_from_text_or_a_file(tmp_path):
    text = '{"search-team": 300, "*": 100}'
    (tmp_path / "tenants.json").write_text(text)
    expected = {"search-team": 300, "*": 100}
    assert (
        read_tenant_concurrency(text) == read_tenant_concurrency(str(tmp_path / "tenants.json")) == expected
    )
    assert read_tenant_concurrency("") == {}


@pytest.mark.parametrize("value", ['{"a": 0}', '{"a": "5"}', '{"a": 1.5}', "[1]", "{", "/no/such/file"])
def test_a_bad_limit_is_named_with_what_was_expected(value):
    with pytest.raises(ValueError, match="must be JSON such as"):
        read_tenant_concurrency(value)
