"""Items of a tenant without free slots are not started, take up no capacity and are not leased ahead."""

import asyncio

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.calls.tenant_slots import open_tenant_slots

DEFAULT = jobs_pb2.JOB_CLASS_DEFAULT


@pytest.fixture
async def bench(make_bench):
    """A worker with 10 items in flight, up to 2 of them of tenant ``full``."""
    tenants = open_tenant_slots({"full": 2}, "memory://", "h", 10)
    yield make_bench(limit=10, tenants=tenants)
    await tenants.close()


def started(bench, job_id):
    return [index for job, index in bench.runner.started if job == job_id]


async def test_no_more_items_of_a_tenant_start_than_it_has_slots(bench, eventually):
    bench.lease("j", 0, 5, tenant="full")
    await eventually(lambda: started(bench, "j") == [0, 1])
    bench.runner.succeed("j", 0)
    await eventually(lambda: started(bench, "j") == [0, 1, 2])


async def test_other_tenants_have_all_other_slots(bench, eventually):
    bench.lease("j", 0, 50, tenant="full")
    await eventually(lambda: started(bench, "j") == [0, 1])
    bench.lease("other", 0, 20, tenant="other")
    await eventually(lambda: len(started(bench, "other")) == 8)
    assert len(started(bench, "j")) == 2


async def test_items_that_make_no_calls_need_no_slot(bench, eventually):
    bench.runner.callless_jobs.add("quiet")
    bench.lease("j", 0, 5, tenant="full")
    await eventually(lambda: started(bench, "j") == [0, 1])
    bench.lease("quiet", 0, 20, tenant="full")
    await eventually(lambda: len(started(bench, "quiet")) == 8)


async def test_quarantined_items_take_no_slot_of_the_worker(bench, eventually):
    bench.lease("bad", 0, 1, tenant="full", quarantined=True)
    await eventually(lambda: bench.quarantine.started == [("bad", 0)])
    bench.lease("j", 0, 5, tenant="full")
    await eventually(lambda: started(bench, "j") == [0, 1])


async def test_items_that_wait_for_slots_take_up_no_capacity(bench, eventually):
    bench.lease("j", 0, 90, tenant="full")
    await eventually(lambda: len(started(bench, "j")) == 2)
    assert bench.capacity.of(DEFAULT) == 108


async def test_the_items_that_wait_for_slots_are_reported(bench, eventually):
    bench.lease("j", 0, 7, tenant="full")
    await eventually(lambda: len(started(bench, "j")) == 2)
    await asyncio.sleep(0)
    (event,) = bench.live_numbers.read("i", 1.0)
    assert (event.live_event.in_flight_count, event.live_event.limited_count) == (2, 5)


class LeaseStore:
    """Answers LeaseChunks with chunks of four items each."""

    def __init__(self):
        self.requests = []
        self.chunk_count = 1

    async def LeaseChunks(self, request, timeout):
        self.requests.append(request)
        if not self.chunk_count or "full" in request.excluded_tenants:
            return results_pb2.LeaseChunksResponse()
        self.chunk_count -= 1
        number = len(self.requests)
        ref = results_pb2.LeaseRef(job_id=f"j{number}", chunk_index=0, fence=1)
        items = [results_pb2.LeasedItem(item_index=i, input="{}") for i in range(4)]
        spec = results_pb2.JobSpec(job_id=ref.job_id, tenant="full", job_class=DEFAULT)
        return results_pb2.LeaseChunksResponse(
            leases=[results_pb2.Lease(ref=ref, round=1, items=items)], jobs=[spec], more_work=True
        )


async def test_a_tenant_is_leased_again_as_soon_as_fewer_items_wait_than_it_has_slots(
    bench, eventually, monkeypatch
):
    monkeypatch.setattr("services.worker.intake.lease_loop.UNWANTED_SECONDS", 60.0)
    store = LeaseStore()
    lease_loop = bench.make_lease_loop(store)
    lease_loop.wake(DEFAULT)
    await eventually(lambda: len(started(bench, "j1")) == 2)
    await eventually(lambda: len(store.requests) >= 2)
    assert list(store.requests[-1].excluded_tenants) == ["full"]
    asked_count, store.chunk_count = len(store.requests), 1
    bench.runner.succeed("j1", 0)
    await eventually(lambda: len(store.requests) > asked_count)
    assert list(store.requests[asked_count].excluded_tenants) == []
    await eventually(lambda: len(bench.leased.jobs) == 2)
    lease_loop.drain()
