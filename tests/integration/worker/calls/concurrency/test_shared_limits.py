"""Workers share the limit on a model's calls through Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import redis.asyncio
from structlog.testing import capture_logs

from services.worker.calls.concurrency import (
    ConcurrencyLimit,
    SharedLimits,
    open_shared_limits,
    shared_limits,
)
from services.worker.calls.concurrency.shared_limits import LIFETIME_SECONDS

CEILING = 300
STATE_KEY = "headrace:concurrency:{p/m}"


class Worker:
    """A worker with one model, whose calls end when the test says so."""

    def __init__(self, url: str, name: str) -> None:
        self.limit = ConcurrencyLimit("m", CEILING)
        self.shared = SharedLimits(url, name, "p")

    def use(self, *, is_short: bool = True) -> None:
        self.shared.note_use("m", self.limit, is_short=is_short)

    def run_round(self, rejected_count: int = 0) -> None:
        """Begins calls up to the limit at once, rejects some of them and answers the others."""
        calls = [self.limit.begin() for _ in range(self.limit.limit)]
        self.limit.in_flight_count = len(calls)
        for call in calls[:rejected_count]:
            self.limit.note_rejection(call)
        for call in calls[rejected_count:]:
            self.limit.note_answer(call)
        self.limit.in_flight_count = 0
        self.use()

    async def fill(self) -> None:
        while self.limit.limit < CEILING:
            self.run_round()
            await asyncio.sleep(0.01)


async def eventually(condition: Callable[[], bool], *used: Worker) -> None:
    async with asyncio.timeout(15):
        while not condition():
            for worker in used:
                worker.use()
            await asyncio.sleep(0.01)


@pytest.fixture
async def start(redis_url: str) -> AsyncIterator[Callable[[str], Worker]]:
    started: list[Worker] = []

    def start_worker(name: str, url: str = redis_url) -> Worker:
        started.append(Worker(url, name))
        return started[-1]

    yield start_worker
    for worker in started:
        await worker.shared.close()


async def is_stored(url: str, worker: Worker) -> bool:
    async with redis.asyncio.from_url(url) as client:
        return await client.hget(STATE_KEY, "id") == worker.limit.state.decision_id.encode()


async def wait_until_stored(url: str, worker: Worker) -> None:
    async with asyncio.timeout(15):
        while not await is_stored(url, worker):
            worker.use()
            await asyncio.sleep(0.01)


async def test_a_new_worker_starts_at_what_is_known(start, redis_url):
    old = start("old")
    await old.fill()
    await wait_until_stored(redis_url, old)
    await old.shared.close()
    new = start("new")
    assert new.limit.limit == 8
    new.use()
    await eventually(lambda: new.limit.limit == CEILING)
    assert new.limit.state.decision_id == old.limit.state.decision_id


async def test_workers_divide_the_limit_until_one_of_them_leaves(start, redis_url):
    first, second = start("first"), start("second")
    await first.fill()
    await wait_until_stored(redis_url, first)
    await eventually(lambda: first.limit.limit == second.limit.limit == CEILING // 2, first, second)
    await second.shared.close()
    await eventually(lambda: first.limit.limit == CEILING, first)


async def test_a_cut_of_one_worker_holds_for_all(start, redis_url):
    first, second = start("first"), start("second")
    await first.fill()
    await wait_until_stored(redis_url, first)
    await eventually(lambda: second.limit.limit == CEILING // 2, first, second)
    await eventually(lambda: first.limit.limit == CEILING // 2, first, second)
    for worker in (first, second):
        calls = [worker.limit.begin() for _ in range(150)]
        for call in calls[:120]:
            worker.limit.note_rejection(call)
        await asyncio.sleep(0.6)  # the other hears of it
    await eventually(lambda: first.limit.limit + second.limit.limit < 150, first, second)
    assert first.limit.state.decision_id == second.limit.state.decision_id


async def test_the_end_of_an_outage_restarts_the_limit_of_all(start, redis_url):
    first, second = start("first"), start("second")
    await first.fill()
    await wait_until_stored(redis_url, first)
    await eventually(lambda: second.limit.limit == CEILING // 2, first, second)
    first.limit.restart()
    await eventually(lambda: first.limit.limit == second.limit.limit == 8, first, second)
    second.limit.restart()  # it hears of the end later: that is one restart, not two
    assert second.limit.state.decision_id == first.limit.state.decision_id


async def test_the_state_is_kept_for_a_day(start, redis_url):
    worker = start("first")
    worker.run_round()
    await wait_until_stored(redis_url, worker)
    async with redis.asyncio.from_url(redis_url) as client:
        assert LIFETIME_SECONDS - 60 <= await client.ttl(STATE_KEY) <= LIFETIME_SECONDS == 86_400


async def test_a_state_that_cannot_be_read_harms_nobody(start, redis_url):
    async with redis.asyncio.from_url(redis_url) as client:
        await client.hset(STATE_KEY, mapping={"id": "x", "state": '{"limit": "many"', "time": "0"})
        await client.hset("headrace:concurrency-reports:{p/m}", "other", "99999999999999 {}")
    worker = start("first")
    worker.run_round()
    await asyncio.sleep(0.4)
    assert worker.limit.limit > 8


async def test_calls_that_are_under_way_keep_the_part_of_a_worker(start, redis_url, monkeypatch):
    monkeypatch.setattr(shared_limits, "_IDLE_SECONDS", 0.2)
    first, second = start("first"), start("second")
    await first.fill()
    await wait_until_stored(redis_url, first)
    second.limit.in_flight_count = 100
    second.use(is_short=False)
    await asyncio.sleep(1.0)
    await eventually(lambda: first.limit.limit <= 200, first)


async def test_without_redis_a_worker_continues_alone_and_reports_it_once(start):
    with capture_logs() as logs:
        alone = start("alone", "redis://127.0.0.1:1/0")
        await alone.fill()
        await eventually(lambda: bool(logs), alone)
        await asyncio.sleep(0.6)
        assert alone.limit.limit == CEILING
    assert [entry["event"] for entry in logs] == ["shared_limits_degraded"]


async def test_the_url_decides_whether_limits_are_shared(redis_url):
    assert open_shared_limits("memory://", "w", "p") is None
    shared = open_shared_limits(redis_url, "w", "p")
    assert isinstance(shared, SharedLimits)
    await shared.close()
    await shared.close()


async def test_large_fleets_exchange_less_often():
    periods = [shared_limits._period_seconds(worker_count) for worker_count in (1, 16, 64, 1000)]
    assert periods == [0.25, 0.25, 1.0, 4.0]
