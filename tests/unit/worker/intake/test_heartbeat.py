import asyncio

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.intake.heartbeat import START_LIMIT_SECONDS, Heartbeat

DEFAULT = jobs_pb2.JOB_CLASS_DEFAULT


class HeartbeatStore:
    def __init__(self, unavailable):
        self.requests = []
        self.failures = 0
        self.response = results_pb2.HeartbeatResponse(live_worker_count=1)
        self._unavailable = unavailable

    async def Heartbeat(self, request, timeout):
        self.requests.append(request)
        if self.failures:
            self.failures -= 1
            raise self._unavailable
        return self.response


class FakeLeaseLoop:
    def __init__(self):
        self.woken = []

    def wake(self, job_class):
        self.woken.append(job_class)


@pytest.fixture
async def beat(unavailable):
    store, effects = HeartbeatStore(unavailable), []
    heartbeat = Heartbeat(store, "i", effects.append)
    yield store, heartbeat, effects
    await heartbeat.stop()


async def test_starting_waits_until_results_has_answered(make_bench, beat):
    store, heartbeat, _ = beat
    store.failures = 1
    assert not heartbeat.counts_as_live()
    await heartbeat.start("host:1", make_bench().scheduler, FakeLeaseLoop())
    assert len(store.requests) == 2
    assert heartbeat.counts_as_live()


async def test_a_heartbeat_lists_every_lease(make_bench, beat):
    store, heartbeat, _ = beat
    bench = make_bench(limit=1)
    bench.lease("j", 0, 3, chunk=4, fence=9)
    await heartbeat.start("host:1", bench.scheduler, FakeLeaseLoop())
    (request,) = store.requests
    assert [(r.job_id, r.chunk_index, r.fence) for r in request.leases] == [("j", 4, 9)]
    assert (request.address, request.in_flight_count, request.leased_item_count) == ("host:1", 1, 3)


async def test_the_answer_is_obeyed(make_bench, beat, eventually):
    store, heartbeat, effects = beat
    bench, lease_loop = make_bench(limit=1), FakeLeaseLoop()
    bench.lease("lost", 0, 2)
    bench.lease("stopped", 0, 2)
    store.response = results_pb2.HeartbeatResponse(
        lost_leases=[results_pb2.LeaseRef(job_id="lost", chunk_index=0, fence=1)],
        stop_job_ids=["stopped"],
        classes_with_work=[DEFAULT],
    )
    await heartbeat.start("host:1", bench.scheduler, lease_loop)
    assert "lost" not in bench.scheduler.leased.jobs
    await eventually(lambda: bench.results.releases() == [("stopped", 0)])
    assert lease_loop.woken == [DEFAULT]
    assert len(effects) == 1


async def test_an_incarnation_that_was_replaced_ends(make_bench, beat):
    store, heartbeat, _ = beat
    store.response = results_pb2.HeartbeatResponse(ended=True)
    await heartbeat.start("host:1", make_bench().scheduler, FakeLeaseLoop())
    assert heartbeat.ended.is_set()
    assert not heartbeat.counts_as_live()


async def test_a_worker_whose_heartbeats_are_not_answered_stops_counting_as_live(
    make_bench, beat, monkeypatch
):
    _store, heartbeat, _ = beat
    await heartbeat.start("host:1", make_bench().scheduler, FakeLeaseLoop())
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + START_LIMIT_SECONDS + 1)
    assert not heartbeat.counts_as_live()


async def test_a_fault_in_what_an_answer_asks_for_does_not_end_the_heartbeats(
    make_bench, beat, eventually, monkeypatch
):
    store, heartbeat, _ = beat
    monkeypatch.setattr("services.worker.intake.heartbeat.INTERVAL_SECONDS", 0.01)

    class FaultySlices:
        def wake(self, job_class):
            raise RuntimeError("a bug")

    await heartbeat.start("host:1", make_bench().scheduler, FaultySlices())
    store.response = results_pb2.HeartbeatResponse(classes_with_work=[DEFAULT])
    await eventually(lambda: len(store.requests) >= 4)


async def test_a_heartbeat_tells_of_limits_apart_and_hears_how_many_workers_live(make_bench, unavailable):
    store = HeartbeatStore(unavailable)
    store.response = results_pb2.HeartbeatResponse(live_worker_count=7)
    heartbeat = Heartbeat(store, "i", lambda effects: None, lambda: True)
    assert heartbeat.live_worker_count == 1
    await heartbeat.start("host:1", make_bench().scheduler, FakeLeaseLoop())
    assert store.requests[0].limits_degraded
    assert heartbeat.live_worker_count == 7
    await heartbeat.stop()
