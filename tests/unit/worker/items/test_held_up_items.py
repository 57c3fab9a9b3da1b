"""A job whose model may not be called for long keeps no other job from the worker's capacity."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, RetryableError, builtin_kinds
from services.shared.setting_types import ModelLimit
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.outages import MemoryOutages, OutageBreaker
from services.worker.calls.provider.faults import ProviderDownError, connection_fault
from services.worker.calls.rate_limits import RateLimits
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets
from services.worker.calls.tenant_slots import open_tenant_slots
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.items.attempts.item_runner import ItemRunner
from services.worker.items.capacity import AHEAD_COUNT
from tests.simulation.virtual_time import run_virtually
from tests.unit.worker.conftest import Bench

DEFAULT = jobs_pb2.JOB_CLASS_DEFAULT
LIMIT = 100
CALL_SECONDS = 0.2
CHUNK = 100
HEARTBEAT_SECONDS = 2.0
COUNT = 2_000


class Provider:
    """Answers each call after 200 ms, or fails at once as the weather of its model says."""

    name = "host"

    def __init__(self, weather: Callable[[str, float], Exception | None]) -> None:
        self._weather = weather
        self.begins: dict[str, list[float]] = {}

    async def complete(self, request, usage: jobs_pb2.Usage) -> Completion:
        usage.call_count += 1
        now = asyncio.get_running_loop().time()
        self.begins.setdefault(request.model, []).append(now)
        error = self._weather(request.model, now)
        if error is not None:
            await asyncio.sleep(0.01)
            raise error
        await asyncio.sleep(CALL_SECONDS)
        return Completion("ok")

    def take_remaining(self, model):
        return None


class Store:
    """Leases chunks of the job with the fewest leased items, as results does, and takes releases back."""

    def __init__(self) -> None:
        self.specs: dict[str, results_pb2.JobSpec] = {}
        self._chunks: dict[str, deque[tuple[int, int]]] = {}
        self._fences: Counter[tuple[str, int]] = Counter()
        self._sizes: dict[tuple[str, int], int] = {}
        self._not_before: dict[str, float] = {}
        self.leased_items: Counter[str] = Counter()
        self.lease_counts: Counter[str] = Counter()

    def submit(self, job_id: str, model: str, count: int, tenant: str = "t") -> None:
        params = json.dumps({"prompt": "{n}", "model": model})
        self.specs[job_id] = results_pb2.JobSpec(
            job_id=job_id, tenant=tenant, kind="llm.complete", params=params, job_class=DEFAULT
        )
        sizes = [min(CHUNK, count - first) for first in range(0, count, CHUNK)]
        self._chunks[job_id] = deque(enumerate(sizes))
        self._sizes |= {(job_id, index): size for index, size in enumerate(sizes)}
        self._not_before[job_id] = 0.0

    def pause(self, job_id: str) -> None:
        self._not_before[job_id] = float("inf")

    def take_back(self, job: results_pb2.JobRecord) -> results_pb2.JobRecordOutcome:
        now = asyncio.get_running_loop().time()
        for release in job.releases:
            size = self._sizes[job.job_id, release.chunk_index]
            self._chunks[job.job_id].appendleft((release.chunk_index, size))
            delay = release.job_delay_ms / 1000
            self._not_before[job.job_id] = max(self._not_before[job.job_id], now + delay)
        return results_pb2.JobRecordOutcome(job_id=job.job_id)

    async def LeaseChunks(self, request, timeout) -> results_pb2.LeaseChunksResponse:
        await asyncio.sleep(0.002)
        response = results_pb2.LeaseChunksResponse()
        capacity, excluded = request.capacity, set(request.excluded_job_ids)
        while found := self._leasable(excluded):
            job_id = min(found, key=self.leased_items.__getitem__)
            index, size = self._chunks[job_id][0]
            if size > capacity:
                response.needed_capacity = size
                break
            self._chunks[job_id].popleft()
            capacity -= size
            response.leases.append(self._lease(job_id, index, size))
            if job_id not in request.known_job_ids:
                response.jobs.append(self.specs[job_id])
        response.more_work = bool(self._leasable(excluded))
        return response

    def has_work(self) -> bool:
        return bool(self._leasable(set()))

    def _leasable(self, excluded: set[str]) -> list[str]:
        now = asyncio.get_running_loop().time()
        return [
            job_id
            for job_id, chunks in self._chunks.items()
            if chunks and job_id not in excluded and self._not_before[job_id] <= now
        ]

    def _lease(self, job_id: str, index: int, size: int) -> results_pb2.Lease:
        self._fences[job_id, index] += 1
        self.leased_items[job_id] += size
        self.lease_counts[job_id] += 1
        ref = results_pb2.LeaseRef(job_id=job_id, chunk_index=index, fence=self._fences[job_id, index])
        numbers = range(index * CHUNK, index * CHUNK + size)
        items = [results_pb2.LeasedItem(item_index=n, input=json.dumps({"n": n})) for n in numbers]
        return results_pb2.Lease(ref=ref, round=1, items=items)


def all_well(model: str, now: float) -> Exception | None:
    return None


def down(model: str, now: float) -> Exception | None:
    return connection_fault(is_reachable=False) if model == "dead" else None


def loading(model: str, now: float) -> Exception | None:
    return ProviderDownError("PROVIDER_ERROR", "the provider failed (HTTP 503)") if model == "dead" else None


def retry_after(model: str, now: float) -> Exception | None:
    return RetryableError("RATE_LIMITED", "limit", 60.0) if model == "dead" else None


def short_retry_after(model: str, now: float) -> Exception | None:
    return RetryableError("RATE_LIMITED", "limit", 20.0) if model == "dead" else None


class System:
    """A worker with its own parts, and its store."""

    def __init__(
        self,
        weather=all_well,
        limits: RateLimits | None = None,
        tenant_limits: dict[str, int] | None = None,
        store: Store | None = None,
    ) -> None:
        clock = asyncio.get_running_loop().time
        tenants = open_tenant_slots(tenant_limits or {}, "memory://", "", LIMIT)
        self.provider = Provider(weather)
        self.outages = MemoryOutages(clock, lambda: 0.5)
        admission = CallAdmission(
            self.provider,
            MemoryCooldowns(clock),
            LIMIT,
            limits=limits,
            tenants=tenants,
            clock=clock,
            outages=OutageBreaker(self.outages, clock=clock),
        )
        runner = ItemRunner(builtin_kinds(), admission, "m", lambda: 0.5)
        self.bench = Bench(limit=LIMIT, tenants=tenants, runner=runner)
        self.store = store or Store()
        self.bench.results.outcome = self.store.take_back
        clients = {DEFAULT: self.bench.make_lease_client(self.store, clock=clock)}
        self._loop = LeaseLoop(clients, self.bench.capacity, SimpleNamespace(publish=lambda tasks: None))
        self.bench.recorder.start()
        self._heartbeat = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            if self.store.has_work():
                self._loop.wake(DEFAULT)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def submit(self, job_id: str, model: str, count: int, tenant: str = "t") -> None:
        self.store.submit(job_id, model, count, tenant)
        self._loop.wake(DEFAULT)

    def recorded(self, job_id: str) -> list[results_pb2.ItemRecord]:
        records = [job for request in self.bench.results.records for job in request.jobs]
        return [item for job in records if job.job_id == job_id for item in job.items]

    async def wait_for(self, job_id: str, count: int, seconds: float = 600.0) -> float:
        """Waits until items of a job are recorded, and returns the time that it took."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.timeout(seconds):
            while len(self.recorded(job_id)) < count:
                await asyncio.sleep(0.1)
        return loop.time() - begin

    async def close(self) -> None:
        self._heartbeat.cancel()
        self._loop.drain()
        await self.bench.scheduler.drain(0)
        await self.bench.recorder.flush(5.0)
        await self.bench.recorder.stop()


async def time_of(
    count: int, weather=all_well, limits=None, *, dead_jobs=(), before=None, tenant_limits=None
) -> float:
    """Returns the time that a job on a healthy model takes, submitted 5 s after jobs on a dead one."""
    system = System(weather, limits, tenant_limits)
    for number, size in enumerate(dead_jobs):
        system.submit(f"dead {number}", "dead", size)
    await asyncio.sleep(5.0)
    if before is not None:
        before(system)
    system.submit("healthy", "healthy", count)
    seconds = await system.wait_for("healthy", count)
    assert not any(item.HasField("error") for item in system.recorded("healthy"))
    await system.close()
    return seconds


@cache
def time_alone() -> float:
    return run_virtually(time_of(COUNT))


def per_minute(count: int) -> RateLimits:
    buckets = SharedBuckets(None, lambda: 1, asyncio.get_running_loop().time)
    return RateLimits({"dead": ModelLimit(requests_per_minute=count)}, buckets)


WEATHERS = [down, loading, retry_after, short_retry_after]


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("dead_jobs", [[10_000], [100] * 30, [1] * 1000, [450, 10_000, 3]])
def test_a_job_on_a_healthy_model_gets_nine_tenths_of_the_capacity_next_to_dead_ones(weather, dead_jobs):
    assert run_virtually(time_of(COUNT, weather, dead_jobs=dead_jobs)) <= time_alone() / 0.9


@pytest.mark.parametrize("requests_per_minute", [6, 60, 300])
def test_a_job_on_a_free_model_gets_nine_tenths_of_the_capacity_next_to_a_used_up_rate_limit(
    requests_per_minute,
):
    async def beside() -> float:
        return await time_of(COUNT, limits=per_minute(requests_per_minute), dead_jobs=[10_000])

    assert run_virtually(beside()) <= time_alone() / 0.9


def test_a_tenant_with_few_slots_uses_them_for_its_healthy_model():
    tenant_limits = {"t": 20}
    alone = run_virtually(time_of(500, tenant_limits=tenant_limits))
    beside = run_virtually(time_of(500, down, dead_jobs=[10_000], tenant_limits=tenant_limits))
    assert beside <= alone / 0.9


def test_a_paused_job_leaves_its_capacity_to_others():
    def pause(system: System) -> None:
        system.store.pause("dead 0")
        system.bench.scheduler.pause_job("dead 0")

    assert run_virtually(time_of(COUNT, down, dead_jobs=[10_000], before=pause)) <= time_alone() / 0.9


async def _dead_fleet_of_jobs(seconds: float) -> System:
    system = System(down)
    for number in range(100):
        system.submit(f"dead {number}", "dead", 100)
    await asyncio.sleep(seconds)
    await system.close()
    return system


def test_jobs_in_an_outage_are_not_leased_and_released_in_a_loop():
    system = run_virtually(_dead_fleet_of_jobs(120.0))
    assert max(system.store.lease_counts.values()) <= 1 + 120 / 30
    calls = [begin for begin in system.provider.begins["dead"] if begin > 2.0]
    assert len(calls) <= 4 + 120 / 2.5  # the probes


async def _parked_in_outage() -> int:
    system = System(down)
    for number in range(100):
        system.submit(f"dead {number}", "dead", 100)
    await asyncio.sleep(20.0)
    count = system.bench.leased.unfinished_count()
    await system.close()
    return count


def test_a_worker_keeps_as_many_items_that_wait_for_their_model_as_fill_it_when_it_is_back():
    total = LIMIT + AHEAD_COUNT
    assert total <= run_virtually(_parked_in_outage()) <= 2 * total


async def _back_after(seconds: float) -> System:
    system = System(lambda model, now: connection_fault(is_reachable=False) if now < seconds else None)
    for number in range(20):
        system.submit(f"dead {number}", "dead", 100)
    await asyncio.sleep(seconds)
    for number in range(20):
        await system.wait_for(f"dead {number}", 100, seconds=45.0)
    await system.close()
    return system


@pytest.mark.parametrize("seconds", [5.0, 60.0, 600.0])
def test_after_an_outage_all_jobs_finish_and_no_item_has_lost_an_attempt(seconds):
    system = run_virtually(_back_after(seconds))
    items = [item for number in range(20) for item in system.recorded(f"dead {number}")]
    assert len({(n, i.item_index) for n in range(20) for i in system.recorded(f"dead {n}")}) == 2000
    assert not any(item.HasField("error") for item in items)
    assert {item.attempt_count for item in items} == {1}
