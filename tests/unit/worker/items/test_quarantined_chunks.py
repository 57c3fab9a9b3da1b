"""Quarantined chunks: their items run in a child process, and its death ends their chunk."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.worker.items import scheduler
from services.worker.items.quarantine import ChildDiedError, ChildNotStartedError
from services.worker.items.quarantine.slots import QUARANTINED_LIMIT

LIMIT = QUARANTINED_LIMIT


@pytest.fixture
async def bench(make_bench):
    return make_bench(limit=2 * LIMIT)


@pytest.fixture
def in_quarantine(bench, eventually):
    """Waits until a number of items were started in the child process."""

    async def started(count):
        await eventually(lambda: len(bench.quarantine.started) >= count)

    return started


def deaths_of(bench):
    deaths = [d for record in bench.results.records for job in record.jobs for d in job.deaths]
    return [(death.chunk_index, death.fence, list(death.suspect_item_indexes)) for death in deaths]


def die(bench, fault=ChildDiedError):
    for ended in bench.quarantine.attempts.values():
        if not ended.done():
            ended.set_exception(fault())


async def test_ten_quarantined_items_run_at_once_alongside_all_others(bench, in_quarantine):
    bench.lease("j", 0, LIMIT + 5, quarantined=True)
    bench.lease("other", 0, LIMIT)
    await in_quarantine(LIMIT)
    await bench.started(LIMIT)
    assert bench.in_flight.count == 2 * LIMIT
    assert {job_id for job_id, _ in bench.runner.started} == {"other"}
    bench.quarantine.succeed("j", 0)
    await in_quarantine(LIMIT + 1)
    assert bench.quarantine.started == [("j", index) for index in range(LIMIT + 1)]


async def test_a_death_makes_suspects_of_the_items_in_flight(bench, in_quarantine, eventually):
    bench.lease("j", 0, LIMIT + 5, chunk=3, fence=7, quarantined=True)
    await in_quarantine(LIMIT)
    bench.quarantine.succeed("j", 1)
    bench.quarantine.succeed("j", 4)
    await in_quarantine(LIMIT + 2)
    die(bench)
    await eventually(lambda: deaths_of(bench))
    in_flight = [index for index in range(LIMIT + 2) if index not in (1, 4)]
    assert [(chunk, fence, sorted(suspects)) for chunk, fence, suspects in deaths_of(bench)] == [
        (3, 7, in_flight)
    ]
    assert bench.results.recorded_indexes() == [1, 4]
    assert not bench.results.releases()
    await eventually(lambda: not bench.leased.leases())
    assert len(bench.quarantine.started) == LIMIT + 2


async def test_the_next_quarantined_chunk_is_requested_once_the_store_has_ended_the_one_before(
    bench, in_quarantine, eventually
):
    bench.lease("j", 0, 1, quarantined=True)
    bench.lease("other", 0, 1)
    await in_quarantine(1)
    await bench.started(1)
    bench.runner.succeed("other", 0)
    await eventually(lambda: bench.results.recorded_indexes() == [0])
    assert bench.quarantine_left == []
    bench.quarantine.succeed("j", 0)
    await eventually(lambda: bench.quarantine_left == [jobs_pb2.JOB_CLASS_DEFAULT])


async def test_work_outside_the_quarantine_continues_after_a_death(bench, in_quarantine, eventually):
    bench.lease("j", 0, 1, quarantined=True)
    bench.lease("j", 1, 1, chunk=1)
    await in_quarantine(1)
    await bench.started(1)
    die(bench)
    await eventually(lambda: deaths_of(bench) == [(0, 1, [0])])
    bench.runner.succeed("j", 1)
    await eventually(lambda: bench.results.recorded_indexes() == [1])


async def test_without_a_child_the_items_are_attempted_again_and_none_is_suspected(
    bench, in_quarantine, eventually, monkeypatch
):
    monkeypatch.setattr(scheduler, "CHILD_RESTART_SECONDS", 0.01)
    bench.lease("j", 0, 2, quarantined=True)
    await in_quarantine(2)
    die(bench, ChildNotStartedError)
    await in_quarantine(4)
    bench.quarantine.succeed_all()
    await eventually(lambda: bench.results.recorded_indexes() == [0, 1])
    assert not deaths_of(bench)


async def test_a_chunk_that_was_lost_meanwhile_reports_no_death(bench, in_quarantine, eventually):
    bench.lease("j", 0, 1, quarantined=True)
    await in_quarantine(1)
    bench.scheduler.lose(bench.leased.leases())
    die(bench)
    await eventually(lambda: bench.in_flight.count == 0)
    bench.lease("k", 0, 1)
    await bench.started(1)
    bench.runner.succeed("k", 0)
    await eventually(lambda: bench.results.recorded_indexes() == [0])
    assert not deaths_of(bench)


async def test_a_stopped_job_in_quarantine_is_cancelled_and_released(bench, in_quarantine, eventually):
    bench.lease("j", 0, 2, quarantined=True)
    await in_quarantine(2)
    bench.scheduler.stop_job("j")
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    assert sorted(bench.quarantine.cancelled) == [("j", 0), ("j", 1)]
    assert not deaths_of(bench)


async def test_quarantined_items_of_one_tenant_leave_slots_to_another(bench, in_quarantine, eventually):
    bench.lease("flood", 0, 5 * LIMIT, tenant="flood", quarantined=True)
    await in_quarantine(LIMIT)
    bench.lease("other", 0, 3, tenant="other", quarantined=True)
    await eventually(lambda: ("other", 0) in bench.quarantine.started)
    assert bench.in_flight.count == LIMIT + 1


async def test_a_quarantined_item_with_a_budget_does_not_wait_for_other_tenants(bench, in_quarantine):
    bench.lease("flood", 0, 3, tenant="flood", quarantined=True)
    bench.lease("budget", 0, 2, quarantined=True, allowance_micros=1_000)
    await in_quarantine(4)
    assert [index for job_id, index in bench.quarantine.started if job_id == "budget"] == [0]
    bench.quarantine.succeed("budget", 0)
    await in_quarantine(5)
    assert bench.quarantine.started[-1] == ("budget", 1)
