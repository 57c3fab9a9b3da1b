"""Heartbeats: what they report, and what their answers do."""

import asyncio

import pytest
from structlog.testing import capture_logs

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.intake import heartbeat
from services.worker.intake.heartbeat import (
    START_LIMIT_SECONDS,
    Heartbeat,
    HeartbeatActions,
    Liveness,
    WorkerStatus,
)
from services.worker.items.store_connection import StoreConnection

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


class Beat:
    """A worker that can send heartbeats to a fake store."""

    def __init__(self, store, bench, lease_loop, *, limits_degraded=False):
        self.store, self.bench, self.lease_loop = store, bench, lease_loop
        self.effects = []
        self.liveness = Liveness()
        status = WorkerStatus(bench.leased, bench.live_numbers, 100, lambda: limits_degraded)
        actions = HeartbeatActions(bench.scheduler, bench.capacity, lease_loop)
        connection = StoreConnection(store, "i", self.effects.append)
        self.heartbeat = Heartbeat(connection, self.liveness, status, actions)

    async def start(self):
        await self.heartbeat.start("host:1")


@pytest.fixture
async def make_beat(make_bench, unavailable):
    beats = []

    def make(bench=None, lease_loop=None, **options):
        store = HeartbeatStore(unavailable)
        beats.append(Beat(store, bench or make_bench(), lease_loop or FakeLeaseLoop(), **options))
        return beats[-1]

    yield make
    for beat in beats:
        await beat.heartbeat.stop()


async def test_starting_waits_until_results_has_answered(make_beat):
    beat = make_beat()
    beat.store.failures = 1
    assert not beat.liveness.counts_as_live()
    await beat.start()
    assert len(beat.store.requests) == 2
    assert beat.liveness.counts_as_live()


async def test_a_worker_that_waits_for_results_says_why(make_beat, monkeypatch):
    monkeypatch.setattr(heartbeat, "REGISTER_WAIT_SECONDS", 0.0)
    beat = make_beat()
    beat.store.failures = 3
    with capture_logs() as logs:
        await beat.start()
    assert [line["error"] for line in logs if line["event"] == "waiting_for_results"] == ["UNAVAILABLE: gone"]


async def test_a_heartbeat_lists_every_lease(make_bench, make_beat):
    beat = make_beat(make_bench(limit=1))
    beat.bench.lease("j", 0, 3, chunk=4, fence=9)
    await beat.start()
    (request,) = beat.store.requests
    assert [(r.job_id, r.chunk_index, r.fence) for r in request.leases] == [("j", 4, 9)]
    assert (request.address, request.in_flight_count, request.leased_item_count) == ("host:1", 1, 3)


async def test_the_answer_is_obeyed(make_bench, make_beat, eventually):
    beat = make_beat(make_bench(limit=1))
    bench = beat.bench
    bench.lease("lost", 0, 2)
    bench.lease("stopped", 0, 2)
    beat.store.response = results_pb2.HeartbeatResponse(
        lost_leases=[results_pb2.LeaseRef(job_id="lost", chunk_index=0, fence=1)],
        stop_job_ids=["stopped"],
        classes_with_work=[DEFAULT],
    )
    await beat.start()
    assert "lost" not in bench.leased.jobs
    await eventually(lambda: bench.results.releases() == [("stopped", 0)])
    assert beat.lease_loop.woken == [DEFAULT]
    assert len(beat.effects) == 1


async def test_an_incarnation_that_was_replaced_ends(make_beat):
    beat = make_beat()
    beat.store.response = results_pb2.HeartbeatResponse(ended=True)
    await beat.start()
    assert beat.liveness.ended.is_set()
    assert not beat.liveness.counts_as_live()


async def test_a_worker_whose_heartbeats_are_not_answered_stops_counting_as_live(make_beat, monkeypatch):
    beat = make_beat()
    await beat.start()
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + START_LIMIT_SECONDS + 1)
    assert not beat.liveness.counts_as_live()


async def test_a_fault_in_acting_on_an_answer_does_not_end_the_heartbeats(make_beat, eventually, monkeypatch):
    monkeypatch.setattr("services.worker.intake.heartbeat.INTERVAL_SECONDS", 0.01)

    class FaultyLeaseLoop:
        def wake(self, job_class):
            raise RuntimeError("a bug")

    beat = make_beat(lease_loop=FaultyLeaseLoop())
    await beat.start()
    beat.store.response = results_pb2.HeartbeatResponse(classes_with_work=[DEFAULT])
    await eventually(lambda: len(beat.store.requests) >= 4)


async def test_a_heartbeat_reports_degraded_limits_and_its_answer_counts_live_workers(make_beat):
    beat = make_beat(limits_degraded=True)
    beat.store.response = results_pb2.HeartbeatResponse(live_worker_count=7)
    assert beat.liveness.live_worker_count == 1
    await beat.start()
    assert beat.store.requests[0].limits_degraded
    assert beat.liveness.live_worker_count == 7
