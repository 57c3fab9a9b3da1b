"""Parts of a worker around a fake store and a fake item runner, both driven by the tests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker import metrics
from services.worker.calls.outages import Outage
from services.worker.calls.tenant_slots import open_tenant_slots
from services.worker.intake.lease_client import LeaseClient
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.capacity import Capacity
from services.worker.items.held_up_work import HeldUpWork
from services.worker.items.in_flight import ItemsInFlight
from services.worker.items.item_slots import ItemSlots
from services.worker.items.leased_work import LeasedWork
from services.worker.items.live_numbers import LiveNumbers
from services.worker.items.recorder import Recorder
from services.worker.items.reporting import Reporting
from services.worker.items.scheduler import ItemScheduler
from services.worker.items.store_connection import StoreConnection
from services.worker.items.tenant_work import TenantWork
from services.worker.items.waiting_items import WaitingItems
from tests.waiting import until


@pytest.fixture(autouse=True)
def _free_model_labels(monkeypatch):
    monkeypatch.setattr(metrics.model_label, "_values", set())  # the models of other tests use them up


def unavailable() -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="gone"
    )


def ignore_effects(effects: results_pb2.Effects) -> None:
    pass


@dataclass
class FakeResults:
    """Answers like results, keeps the requests, and fails or delays calls on demand."""

    records: list[results_pb2.RecordResultsRequest] = field(default_factory=list)
    failures: int = 0
    hold: asyncio.Event | None = None
    outcome: Callable[[results_pb2.JobRecord], results_pb2.JobRecordOutcome] = field(
        default=lambda job: results_pb2.JobRecordOutcome(job_id=job.job_id)
    )

    async def RecordResults(self, request, timeout):
        if self.failures:
            self.failures -= 1
            raise unavailable()
        self.records.append(request)
        if self.hold is not None:
            await self.hold.wait()
        return results_pb2.RecordResultsResponse(outcomes=[self.outcome(job) for job in request.jobs])

    def recorded_indexes(self) -> list[int]:
        return sorted(i.item_index for r in self.records for j in r.jobs for i in j.items)

    def releases(self) -> list[tuple[str, int]]:
        return [(j.job_id, c.chunk_index) for r in self.records for j in r.jobs for c in j.releases]


class FakeRunner:
    """Keeps every attempt running until the test ends it."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.attempts: dict[tuple[str, int], asyncio.Future[ItemOutcome]] = {}
        self.cancelled: list[tuple[str, int]] = []
        self.cooldown = 0.0
        self.outages: dict[str, Outage] = {}
        self.limited: dict[str, int] = {}
        self.callless_jobs: set[str] = set()

    async def run(self, spec, item, allowance=None):
        key = (spec.job_id, item.item_index)
        self.started.append(key)
        self.attempts[key] = asyncio.get_running_loop().create_future()
        try:
            return await self.attempts[key]
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        finally:
            del self.attempts[key]

    limited_count = 0

    @property
    def longest_cooldown_seconds(self):
        return self.cooldown

    def limited_count_of(self, job_id):
        return self.limited.get(job_id, 0)

    def cooldown_seconds(self, spec):
        return self.cooldown

    wait_seconds = cooldown_seconds

    def claim_probe(self, spec):
        pass

    def outage(self, spec):
        return self.outages.get(spec.job_id)

    def lasting_outage(self, spec):
        return None

    def makes_calls(self, spec):
        return spec.job_id not in self.callless_jobs

    def forget(self, job_id):
        pass

    def succeed(self, job_id, index, output='"ok"'):
        self.end(job_id, index, output=output)

    def end(self, job_id, index, **fields):
        values = {"attempt_count": 1, "usage": jobs_pb2.Usage(call_count=1)} | fields
        outcome = ItemOutcome(**values)
        self.attempts[(job_id, index)].set_result(outcome)

    def succeed_all(self):
        for job_id, index in list(self.attempts):
            if not self.attempts[(job_id, index)].done():
                self.succeed(job_id, index)


class Bench:
    """A scheduler and its parts, built as the worker's app builds them."""

    def __init__(self, limit=10, tenants=None, runner=None, quarantine=None):
        self.results = FakeResults()
        self.runner = runner or FakeRunner()
        self.quarantine = quarantine or FakeRunner()
        self.counts_as_live = True
        self.quarantine_left: list[jobs_pb2.JobClass] = []
        self.leased, waiting = LeasedWork(), WaitingItems()
        slots = open_tenant_slots({}, "memory://", "", limit) if tenants is None else tenants
        self.held_up = HeldUpWork(self.leased, self.runner)
        item_slots = ItemSlots(limit, self.runner)
        self.tenant_work = TenantWork(
            self.leased,
            slots,
            self.runner.makes_calls,
            held_up=self.held_up,
            item_slots=item_slots,
            waiting=waiting,
        )
        self.capacity = Capacity(self.leased, limit, self.tenant_work.parked_count)
        self.live_numbers = LiveNumbers(self.leased, self.runner, self.tenant_work.is_waiting)
        self.recorder = Recorder(StoreConnection(self.results, "incarnation", ignore_effects))
        reporting = Reporting(
            self.recorder,
            self.leased,
            waiting,
            self.capacity,
            forget=self.runner.forget,
            quarantine_left=self.quarantine_left.append,
        )
        self.in_flight = ItemsInFlight(
            self.runner,
            self.quarantine,
            self.tenant_work,
            self.live_numbers,
            slots=item_slots,
            may_start=lambda: self.counts_as_live,
        )
        self.scheduler = ItemScheduler(
            self.in_flight,
            reporting,
            self.runner,
            leased=self.leased,
            waiting=waiting,
            capacity=self.capacity,
            tenant_work=self.tenant_work,
            held_up=self.held_up,
        )

    def lease(self, job_id, first, count, *, chunk=0, fence=1, tenant="t", **extra):
        spec = results_pb2.JobSpec(
            job_id=job_id, tenant=tenant, kind="noop", params="{}", job_class=jobs_pb2.JOB_CLASS_DEFAULT
        )
        lease = results_pb2.Lease(
            ref=results_pb2.LeaseRef(job_id=job_id, chunk_index=chunk, fence=fence),
            round=1,
            items=[results_pb2.LeasedItem(item_index=i, input="{}") for i in range(first, first + count)],
            **extra,
        )
        self.scheduler.accept({job_id: spec}, [lease])

    async def started(self, count):
        await until(lambda: len(self.runner.started) >= count)

    def make_lease_client(self, store, **options):
        return LeaseClient(
            jobs_pb2.JOB_CLASS_DEFAULT,
            StoreConnection(store, "i", ignore_effects),
            self.scheduler,
            leased=self.leased,
            capacity=self.capacity,
            tenant_work=self.tenant_work,
            held_up=self.held_up,
            **options,
        )

    def make_lease_loop(self, store, publisher=None):
        lease_clients = {jobs_pb2.JOB_CLASS_DEFAULT: self.make_lease_client(store)}
        return LeaseLoop(lease_clients, self.capacity, publisher)


@pytest.fixture
async def make_bench():
    benches = []

    def make(**options):
        bench = Bench(**options)
        bench.recorder.start()
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        await bench.scheduler.drain(0)
        await bench.recorder.stop()


@pytest.fixture(name="eventually")
def eventually_fixture():
    return until


@pytest.fixture(name="unavailable")
def unavailable_fixture():
    return unavailable()
