"""Scenarios on a fleet. Each returns plain figures and judges nothing."""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from headrace.jobs.v1 import jobs_pb2
from tests.simulation.fleet import Fleet, running_fleet
from tests.simulation.observer import between

SMALL_JOB_ITEMS = 10
CLASSES = {
    "interactive": jobs_pb2.JOB_CLASS_INTERACTIVE,
    "default": jobs_pb2.JOB_CLASS_DEFAULT,
    "bulk": jobs_pb2.JOB_CLASS_BULK,
}


@dataclass(frozen=True)
class Size:
    """The size of a fleet.

    Attributes:
        workers: Number of workers.
        limit: Maximum items in flight of each worker.
        call_seconds: Mean duration of an item.
        work_seconds: Time for which the fleet has work.
        seed: Seed of all random numbers.
    """

    workers: int = 1000
    limit: int = 20
    call_seconds: float = 4.0
    work_seconds: float = 60.0
    seed: int = 1

    @property
    def item_count(self) -> int:
        """Items that keep the fleet busy for work_seconds."""
        return int(self.workers * self.limit / self.call_seconds * self.work_seconds)

    def open(self) -> AbstractAsyncContextManager[Fleet]:
        """Returns a context manager that runs a fleet."""
        return running_fleet(
            seed=self.seed, worker_count=self.workers, limit=self.limit, call_seconds=self.call_seconds
        )


@dataclass(frozen=True)
class Wait:
    """The wait of a small job, in seconds from its submission.

    Attributes:
        start: Until its first item starts.
        end: Until it ends.
    """

    start: float
    end: float


@dataclass(frozen=True)
class Tenants:
    """Three tenants of one class.

    Attributes:
        idle: Wait of a job of ten items on an idle fleet.
        late: Wait of such a job on a full fleet, submitted by a tenant that had no job before.
        shares: Shares of the items leased while both had work: of the tenant with one large job, and of the
            one with many small jobs.
        states: Final states of all jobs.
    """

    idle: Wait
    late: Wait
    shares: dict[str, float]
    states: set[int]


async def try_tenants(size: Size) -> Tenants:
    """Submits a large job, then many small ones of another tenant, then one of a third."""
    async with size.open() as fleet:
        seen, loop = fleet.observer, asyncio.get_running_loop()
        idle = await _run_small_job(fleet, "idle")
        large = await fleet.submit("large", size.item_count)
        await asyncio.sleep(size.work_seconds / 6)
        begin = loop.time() + 1
        count = size.item_count // SMALL_JOB_ITEMS // 2
        small = await asyncio.gather(*(fleet.submit("small", SMALL_JOB_ITEMS) for _ in range(count)))
        await asyncio.sleep(size.work_seconds / 12)
        late = await _run_small_job(fleet, "late")
        await fleet.ended(large, *small)
        ends = [max(t for t, c in seen.leased.items() if c[tenant]) for tenant in ("large", "small")]
        return Tenants(idle, late, _shares(between(seen.leased, begin, min(ends))), set(seen.states.values()))


async def _run_small_job(fleet: Fleet, tenant: str) -> Wait:
    begin = asyncio.get_running_loop().time()
    job_id = await fleet.submit(tenant, SMALL_JOB_ITEMS)
    await fleet.ended(job_id)
    seen = fleet.observer
    return Wait(seen.first_starts[job_id] - begin, seen.end_times[job_id] - begin)


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = sum(counts[name] for name in ("large", "small"))
    return {name: counts[name] / total for name in ("large", "small")}


async def try_classes(size: Size) -> dict[str, float]:
    """Returns each class's share of the started items while all three have more work than slots."""
    async with size.open() as fleet:
        for name, job_class in CLASSES.items():
            await fleet.submit(name, size.item_count, job_class)
        begin = asyncio.get_running_loop().time() + 2 * size.call_seconds
        await asyncio.sleep(2 * size.call_seconds + size.work_seconds / 2)
        counts = between(fleet.observer.started_items, begin, begin + size.work_seconds / 2)
        return {name: counts[name] / counts.total() for name in CLASSES}


@dataclass(frozen=True)
class Recovery:
    """The recovery after a tenth of the workers died at once.

    Attributes:
        lost_count: Chunks that the dead workers had leased.
        again: Seconds until another worker leased each of these chunks, sorted.
        in_flight_count: Items that the dead workers had started and not recorded.
        repeated_count: Items that were started a second time.
        missing_count: Items without a result at the end.
        states: Final states of all jobs.
    """

    lost_count: int
    again: list[float]
    in_flight_count: int
    repeated_count: int
    missing_count: int
    states: set[int]


async def try_deaths(size: Size, *, ports_refuse: bool) -> Recovery:
    """Kills a tenth of the workers in the middle of a job.

    Args:
        size: Size of the fleet.
        ports_refuse: Whether their ports refuse connections; otherwise the workers are only silent.
    """
    async with size.open() as fleet:
        fleet.ports_refuse = ports_refuse
        job_id = await fleet.submit("tenant", size.item_count)
        await asyncio.sleep(size.work_seconds / 3)
        dead = fleet.rng.sample(sorted(fleet.workers), max(1, size.workers // 10))
        time = asyncio.get_running_loop().time()
        lost, in_flight = set[tuple[str, int]](), 0
        for worker in (fleet.workers[name] for name in dead):
            refs = [c.ref for job in worker.leased.jobs.values() for c in job.chunks.values()]
            lost |= {(ref.job_id, ref.chunk_index) for ref in refs}
            in_flight += worker.in_flight.count + worker.recorder.unacknowledged_count
            await worker.die()
        await fleet.ended(job_id)
        seen, job = fleet.observer, (await fleet.jobs(job_id))[0]
        again = [next((t - time for t, _ in seen.lease_times[c] if t > time), None) for c in lost]
        return Recovery(
            lost_count=len(lost),
            again=sorted(seconds for seconds in again if seconds is not None),
            in_flight_count=in_flight,
            repeated_count=seen.repeated_count,
            missing_count=job.progress.total_count - job.progress.succeeded_count,
            states=set(seen.states.values()),
        )


@dataclass(frozen=True)
class Outage:
    """An outage of the store.

    Attributes:
        fewest_live: Lowest number of live workers that a sweep counted.
        lost_count: Chunks that were leased twice.
        repeated_count: Items that were started a second time.
        idle_seconds: Seconds from the return of the store until the fleet started items again.
        states: Final states of all jobs.
    """

    fewest_live: int
    lost_count: int
    repeated_count: int
    idle_seconds: float
    states: set[int]


async def try_outage(size: Size, seconds: float = 60.0) -> Outage:
    """Makes the store unreachable in the middle of a job."""
    async with size.open() as fleet:
        seen = fleet.observer
        job_id = await fleet.submit("tenant", size.item_count)
        await asyncio.sleep(size.work_seconds / 3)
        fleet.live_counts.clear()
        fleet.stub.away = True
        await asyncio.sleep(seconds)
        fleet.stub.away = False
        back = asyncio.get_running_loop().time()
        await fleet.ended(job_id)
        restart = min(second for second in seen.started_items if second >= int(back))
        return Outage(
            fewest_live=min(count for _, count in fleet.live_counts),
            lost_count=sum(len(times) > 1 for times in seen.lease_times.values()),
            repeated_count=seen.repeated_count,
            idle_seconds=max(0.0, restart - back),
            states=set(seen.states.values()),
        )


@dataclass(frozen=True)
class Load:
    """The load of a full fleet with a backlog on the store and on the queue, per second.

    Attributes:
        items: Items started.
        calls: Calls by name.
        statements: Statements by call.
        rows: Rows inserted, updated and deleted by call.
        messages: Tasks published.
    """

    items: float
    calls: dict[str, float]
    statements: dict[str, float]
    rows: dict[str, float]
    messages: float


async def try_load(size: Size) -> Load:
    """Measures the second half of work_seconds, with four large jobs of two tenants."""
    async with size.open() as fleet:
        meter, seen = fleet.meter, fleet.observer
        for number in range(4):
            await fleet.submit(f"tenant-{number % 2}", size.item_count)
        await asyncio.sleep(size.work_seconds / 2)
        counts = [Counter(c) for c in (meter.calls, meter.statements, meter.rows, fleet.queues.published)]
        started_count, seconds = seen.starts.total(), size.work_seconds / 2
        await asyncio.sleep(seconds)
        now = (meter.calls, meter.statements, meter.rows, fleet.queues.published)
        rates = [
            {name: (count - old[name]) / seconds for name, count in new.items() if count > old[name]}
            for old, new in zip(counts, now, strict=True)
        ]
        calls, statements, rows, messages = rates
        return Load(
            items=(seen.starts.total() - started_count) / seconds,
            calls=calls,
            statements=statements,
            rows=rows,
            messages=sum(messages.values()),
        )
