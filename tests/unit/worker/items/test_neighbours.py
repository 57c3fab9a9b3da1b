"""A tenant whose long items fill a worker keeps no other tenant from it."""

import asyncio
import json

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import RetryableError
from services.stubs.results.v1 import results_pb2
from services.worker.items.item_slots import STUCK_SECONDS
from tests.simulation.virtual_time import run_virtually
from tests.unit.worker.items.test_held_up_items import LIMIT, Store, System

HOUR_MS = 3_600_000


class SleepStore(Store):
    """Leases jobs that sleep, and excludes tenants as results does. The model of a job is its sleep in ms."""

    def submit(self, job_id: str, model: str, count: int, tenant: str = "t") -> None:
        super().submit(job_id, model, count, tenant)
        self.leased_items[job_id] = min(self.leased_items.values(), default=0)  # a newcomer has no credit
        self.specs[job_id].kind = "noop"
        self.specs[job_id].params = json.dumps({"sleep_ms": int(model)})

    async def LeaseChunks(self, request, timeout) -> results_pb2.LeaseChunksResponse:
        request.excluded_job_ids.extend(
            job_id for job_id, spec in self.specs.items() if spec.tenant in request.excluded_tenants
        )
        return await super().LeaseChunks(request, timeout)


async def flooded(count: int = 10_000, sleep_ms: int = HOUR_MS) -> System:
    """Returns a worker on which a job of the tenant ``flood`` has run for a minute."""
    system = System(store=SleepStore())
    system.submit("flood", str(sleep_ms), count, "flood")
    await asyncio.sleep(60.0)
    return system


def in_flight(system: System, job_id: str) -> int:
    job = system.bench.leased.jobs.get(job_id)
    return job.in_flight_count if job else 0


async def seconds_of(count: int, flood_ms: int = HOUR_MS) -> float:
    system = await flooded(sleep_ms=flood_ms)
    system.submit("small", "100", count, "other")
    seconds = await system.wait_for("small", count)
    await system.close()
    return seconds


def test_a_job_of_one_item_runs_at_once_although_long_items_came_first():
    assert run_virtually(seconds_of(1)) < 1.0


@pytest.mark.parametrize("flood_ms", [HOUR_MS, 60_000, 10_000, 3_000, 1_000])
def test_a_job_of_a_hundred_items_runs_within_seconds_although_longer_items_came_first(flood_ms):
    assert run_virtually(seconds_of(100, flood_ms)) < 8.0


async def _counts_of_many_tenants() -> list[int]:
    system = await flooded()
    counts = [in_flight(system, "flood")]
    for number in range(4):
        system.submit(f"job {number}", str(HOUR_MS), 1_000, f"tenant {number}")
        await asyncio.sleep(10.0)
        counts.append(in_flight(system, f"job {number}"))
    await system.close()
    return counts


def test_a_tenant_alone_has_the_whole_limit_and_each_next_one_half_of_what_the_reserve_has_left():
    assert run_virtually(_counts_of_many_tenants()) == [LIMIT, 6, 3, 2, 1]


async def _counts_when_items_end() -> list[int]:
    system = await flooded(sleep_ms=5_000)
    system.submit("other", "5000", 10_000, "other")
    await asyncio.sleep(60.0)
    counts = [in_flight(system, "flood"), in_flight(system, "other")]
    await system.close()
    return counts


def test_two_tenants_with_more_work_than_slots_share_them():
    flood_count, other_count = run_virtually(_counts_when_items_end())
    assert flood_count + other_count >= LIMIT
    assert min(flood_count, other_count) >= 0.4 * LIMIT


async def _time_alone() -> tuple[float, int]:
    system = System(store=SleepStore())
    system.submit("alone", "1000", 2_000, "t")
    seconds = await system.wait_for("alone", 2_000)
    await system.close()
    return seconds, system.store.lease_counts["alone"]


def test_a_tenant_alone_is_as_fast_as_its_items_allow():
    seconds, lease_count = run_virtually(_time_alone())
    assert seconds <= 2_000 / LIMIT * 1.0 + 1.0
    assert lease_count == 20  # each chunk once


async def _leases_of_stuck_tenant() -> int:
    system = await flooded()
    for number in range(20):
        system.submit(f"more {number}", str(HOUR_MS), 100, "flood")
    await asyncio.sleep(60.0)
    count = system.bench.leased.unfinished_count()
    await system.close()
    return count


def test_nothing_more_is_leased_of_a_stuck_tenant():
    assert run_virtually(_leases_of_stuck_tenant()) <= 2 * LIMIT


async def test_the_items_of_a_stuck_tenant_take_up_no_capacity(make_bench, eventually, monkeypatch):
    bench = make_bench(limit=10)
    bench.lease("flood", 0, 100, tenant="flood")
    await bench.started(10)
    job_class = bench.leased.jobs["flood"].spec.job_class
    assert bench.capacity.of(job_class) == 10
    assert bench.tenant_work.unwanted_tenants() == []
    monkeypatch.setattr("services.worker.items.item_slots.STUCK_SECONDS", 0.0)
    assert bench.capacity.of(job_class) == 100
    assert bench.tenant_work.unwanted_tenants() == ["flood"]
    bench.lease("other", 0, 5, tenant="other")
    await eventually(lambda: ("other", 0) in bench.runner.started)
    assert STUCK_SECONDS == 2.0


async def test_items_that_wait_for_a_limit_do_not_keep_their_tenant_from_the_reserve(make_bench, eventually):
    bench = make_bench(limit=8)
    bench.lease("waits", 0, 3, tenant="b")
    await bench.started(3)
    bench.runner.limited["waits"] = bench.runner.limited_count = 3
    bench.lease("flood", 0, 20, tenant="a")
    await bench.started(3 + 8)
    bench.lease("quick", 0, 2, tenant="b")
    await eventually(lambda: ("quick", 0) in bench.runner.started)
    assert ("quick", 1) not in bench.runner.started


def all_fail(model: str, now: float) -> Exception | None:
    return RetryableError("BROKEN_ANSWER", "no completion") if model == "failing" else None


async def _seconds_next_to_failing_items(failing_count: int) -> float:
    system = System(all_fail)
    if failing_count:
        system.submit("failing", "failing", failing_count, "flood")
        await asyncio.sleep(5.0)
    system.submit("well", "well", 2_000, "other")
    seconds = await system.wait_for("well", 2_000)
    await system.close()
    return seconds


def test_items_that_fail_and_wait_for_another_attempt_keep_no_other_job_from_the_worker():
    alone = run_virtually(_seconds_next_to_failing_items(0))
    assert run_virtually(_seconds_next_to_failing_items(10_000)) <= 1.5 * alone


async def test_items_in_a_backoff_take_up_no_capacity_until_they_are_due(make_bench, eventually):
    bench = make_bench(limit=10)
    bench.lease("j", 0, 10)
    await bench.started(10)
    job = bench.leased.jobs["j"]
    assert bench.capacity.of(job.spec.job_class) == 100
    for index in range(10):
        bench.runner.end("j", index, retry_delay=0.2, error=jobs_pb2.Error(reason="BROKEN_ANSWER"))
    await eventually(lambda: job.backoff_count == 10)
    assert bench.capacity.of(job.spec.job_class) == 110
    await eventually(lambda: len(bench.runner.started) == 20)
    assert job.backoff_count == 0
    assert bench.capacity.of(job.spec.job_class) == 100


async def test_backoffs_of_a_stopped_job_are_forgotten(make_bench, eventually):
    bench = make_bench(limit=10)
    bench.lease("j", 0, 10)
    await bench.started(10)
    job = bench.leased.jobs["j"]
    for index in range(5):
        bench.runner.end("j", index, retry_delay=4.0, error=jobs_pb2.Error(reason="BROKEN_ANSWER"))
    await eventually(lambda: job.backoff_count == 5)
    bench.scheduler.stop_job("j")
    assert job.backoff_count == 0
    assert bench.capacity.of(job.spec.job_class) >= 100
