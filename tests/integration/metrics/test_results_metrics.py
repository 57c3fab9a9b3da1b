"""Metrics of the results service: each event counts once, after the commit."""

import sqlite3
from types import SimpleNamespace

import grpc
import pytest
import sqlalchemy.exc
import structlog
import uuid_utils
from prometheus_client import REGISTRY

from headrace.jobs.v1 import jobs_pb2
from services.results.app import ResultsApp
from services.results.database.clock import Clock
from services.results.database.migrations import migrate
from services.results.purging.purger import Purger
from services.results.settings import ResultsSettings
from services.stubs.results.v1 import results_pb2 as pb
from services.stubs.results.v1 import results_pb2_grpc

SECOND = 1_000_000


@pytest.fixture
async def store(tmp_path, monkeypatch):
    """The results service on SQLite: its ``stub``, ``clock`` and ``database``."""
    url = f"sqlite:///{tmp_path / 'headrace.db'}"
    await migrate(url)
    clock = Clock()
    # No purger, because its transactions would count too.
    monkeypatch.setattr(Purger, "start", lambda self: None)
    settings = ResultsSettings(listen="127.0.0.1:0", database_url=url, drain_seconds=1, retention_hours=0)
    app = ResultsApp(settings, clock)
    await app.start()
    async with grpc.aio.insecure_channel(app.target) as channel:
        stub = results_pb2_grpc.ResultsServiceStub(channel)
        yield SimpleNamespace(stub=stub, clock=clock, database=app._database)
    await app.stop()


class Moved:
    """Measures the change of a metric since its creation."""

    def __init__(self, name, **labels):
        self._name, self._labels = name, labels
        self._before = self._read()

    def _read(self):
        return REGISTRY.get_sample_value(self._name, self._labels) or 0.0

    @property
    def by(self):
        return self._read() - self._before


async def create(store, item_count=2, **fields):
    job_id = str(uuid_utils.uuid7())
    new = pb.NewJob(
        job_id=job_id, tenant="t", request_id=job_id, kind="noop", params="{}", content_hash=b"h",
        options=jobs_pb2.JobOptions(job_class=jobs_pb2.JOB_CLASS_DEFAULT, max_failed_ratio=0.5),
        items=["1"] * item_count, **fields,
    )  # fmt: skip
    await store.stub.CreateJobs(pb.CreateJobsRequest(jobs=[new]))
    return job_id


async def beat(store, incarnation, address="127.0.0.1:1"):
    await store.stub.Heartbeat(pb.HeartbeatRequest(incarnation=incarnation, address=address))


async def lease(store, incarnation, call_id="1"):
    await beat(store, incarnation)
    response = await store.stub.LeaseChunks(
        pb.LeaseChunksRequest(
            job_class=jobs_pb2.JOB_CLASS_DEFAULT, capacity=1000, incarnation=incarnation, call_id=call_id
        )
    )
    return list(response.leases)


def records(leases, failing=False):
    error = jobs_pb2.Error(reason="BAD", message="bad") if failing else None
    return [
        pb.JobRecord(
            job_id=lease.ref.job_id,
            items=[
                pb.ItemRecord(
                    item_index=item.item_index, chunk_index=lease.ref.chunk_index, fence=lease.ref.fence,
                    round=lease.round, output="" if failing else "1", error=error, attempt_count=1,
                )
                for item in lease.items
            ],
        )
        for lease in leases
    ]  # fmt: skip


async def test_a_job_that_ends_is_counted_and_logged_once_however_often_its_results_come(store):
    ended = Moved("headrace_jobs_ended_total", state="SUCCEEDED")
    recorded = Moved("headrace_items_recorded_total", state="SUCCEEDED")
    job_id = await create(store, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")
    request = pb.RecordResultsRequest(incarnation="w", jobs=records(await lease(store, "w")))
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            await store.stub.RecordResults(request)
    assert (ended.by, recorded.by) == (1, 2)
    (line,) = [line for line in lines if line["event"] == "job_ended"]
    assert (line["job_id"], line["tenant"], line["state"]) == (job_id, "t", "SUCCEEDED")
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert line["succeeded_count"] == 2


async def test_the_duration_of_a_job_is_observed_in_seconds_by_its_class_and_end(store):
    labels = {"job_class": "DEFAULT", "state": "SUCCEEDED"}
    jobs = Moved("headrace_job_seconds_count", **labels)
    seconds = Moved("headrace_job_seconds_sum", **labels)
    await create(store)
    store.clock.offset += 100 * SECOND
    request = pb.RecordResultsRequest(incarnation="w", jobs=records(await lease(store, "w")))
    for _ in range(2):
        await store.stub.RecordResults(request)
    assert jobs.by == 1
    assert 100 <= seconds.by < 130


async def test_failures_are_counted_separately(store):
    ended = Moved("headrace_jobs_ended_total", state="FAILED")
    recorded = Moved("headrace_items_recorded_total", state="FAILED")
    await create(store)
    leases = await lease(store, "w")
    await store.stub.RecordResults(
        pb.RecordResultsRequest(incarnation="w", jobs=records(leases, failing=True))
    )
    assert (ended.by, recorded.by) == (1, 2)


async def test_a_cancelled_job_logs_one_cancellation_and_one_end(store):
    ended = Moved("headrace_jobs_ended_total", state="CANCELLED")
    job_id = await create(store)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            await store.stub.CancelJob(pb.CancelJobRequest(job_id=job_id, tenant="t"))
    assert [line["event"] for line in lines] == ["job_cancelled", "job_ended"]
    assert ended.by == 1


async def test_appended_items_are_counted_once_however_often_they_are_sent(store):
    appended = Moved("headrace_items_appended_total")
    job_id = await create(store, 0, upload_open=True)
    request = pb.AppendItemsRequest(job_id=job_id, tenant="t", first_item_index=0, items=["1", "2", "3"])
    for _ in range(2):
        await store.stub.AppendItems(request)
    assert appended.by == 3


async def test_the_wait_for_the_first_lease_is_observed_in_seconds_by_class(store):
    waits = Moved("headrace_queue_wait_seconds_count", job_class="DEFAULT")
    seconds = Moved("headrace_queue_wait_seconds_sum", job_class="DEFAULT")
    await create(store)
    store.clock.offset += 100 * SECOND
    await lease(store, "w")
    assert waits.by == 1
    assert 100 <= seconds.by < 130


async def test_the_wait_of_an_upload_for_its_client_is_not_observed(store):
    waits = Moved("headrace_queue_wait_seconds_count", job_class="DEFAULT")
    job_id = await create(store, 0, upload_open=True)
    store.clock.offset += 100 * SECOND
    await store.stub.AppendItems(pb.AppendItemsRequest(job_id=job_id, tenant="t", items=["1"]))
    assert len(await lease(store, "w")) == 1
    assert waits.by == 0


async def test_leases_of_a_worker_that_is_replaced_at_its_address_are_lost(store):
    lost = Moved("headrace_leases_lost_total", cause="replaced")
    await create(store)
    leased_count = len(await lease(store, "old"))
    await beat(store, "new")
    await beat(store, "new")
    assert lost.by == leased_count == 2


async def test_leases_of_a_dead_worker_are_lost(store):
    lost = Moved("headrace_leases_lost_total", cause="dead")
    await create(store)
    await lease(store, "w")
    store.clock.offset += 6 * SECOND
    cause = pb.EndWorkerRequest.CAUSE_PORT_CLOSED
    for _ in range(2):
        await store.stub.EndWorker(pb.EndWorkerRequest(incarnation="w", cause=cause))
    assert lost.by == 2


async def test_leases_that_a_worker_never_learned_of_are_counted_separately(store):
    lost = Moved("headrace_leases_lost_total", cause="unlisted")
    await create(store)
    await lease(store, "w")
    store.clock.offset += 9 * SECOND
    await beat(store, "w")
    assert lost.by == 2


async def test_a_drained_worker_loses_no_leases(store):
    lost = [Moved("headrace_leases_lost_total", cause=c) for c in ("dead", "replaced", "unlisted")]
    await create(store)
    await lease(store, "w")
    drained = pb.EndWorkerRequest.CAUSE_DRAINED
    await store.stub.EndWorker(pb.EndWorkerRequest(incarnation="w", cause=drained))
    assert [moved.by for moved in lost] == [0, 0, 0]


async def test_a_repeated_transaction_counts_its_events_once_and_its_repeats(store):
    repeated = Moved("headrace_transactions_repeated_total")
    timed = Moved("headrace_transaction_seconds_count", mode="write")
    counted, attempts = [], []

    async def work(tx):
        tx.after_commit(lambda: counted.append(1))
        attempts.append(1)
        if len(attempts) < 3:
            raise sqlalchemy.exc.OperationalError("x", {}, sqlite3.OperationalError("database is locked"))

    await store.database.write(work)
    assert (len(attempts), len(counted), repeated.by, timed.by) == (3, 1, 2, 3)


async def test_events_of_a_failed_transaction_are_not_counted(store):
    counted = []

    async def work(tx):
        tx.after_commit(lambda: counted.append(1))
        raise KeyError

    with pytest.raises(KeyError):
        await store.database.write(work)
    assert counted == []
