"""The backlog of all jobs in the metrics, from the counters in their rows."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import REGISTRY

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from services.results.database import sql
from services.results.database.database import Database
from services.results.pages.backlog import Backlog
from services.results.rows import backlog_rows


def waiting(job_class="DEFAULT"):
    return REGISTRY.get_sample_value("headrace_items_waiting", {"job_class": job_class})


def jobs(state):
    return REGISTRY.get_sample_value("headrace_jobs", {"state": state})


@pytest.fixture
def backlog(store):
    return Backlog(store.database)


async def test_items_wait_until_they_are_leased_and_again_once_released(store, backlog):
    await store.create(100)  # 15 chunks of 7, the last one of 2
    worker = await store.worker()
    await backlog.update()
    assert waiting() == 100
    leases = list((await worker.lease(21)).leases)
    leased_count = sum(len(lease.items) for lease in leases)
    await backlog.update()
    assert 100 - leased_count <= waiting() < 100 - leased_count + 7
    await worker.release(*leases)
    await worker.succeed(*await worker.lease_all())
    await backlog.update()
    assert waiting() == 0


async def test_items_of_each_class_are_counted_separately(store, backlog):
    for job_class, count in (("INTERACTIVE", 1), ("DEFAULT", 2), ("BULK", 3)):
        await store.create(count, job_class=jobs_pb2.JobClass.Value(f"JOB_CLASS_{job_class}"))
        await store.create(count, job_class=jobs_pb2.JobClass.Value(f"JOB_CLASS_{job_class}"), tenant="b")
    await backlog.update()
    assert [waiting(job_class) for job_class in ("INTERACTIVE", "DEFAULT", "BULK")] == [2, 4, 6]


async def test_items_that_no_worker_could_lease_now_do_not_wait(store, backlog):
    await store.pause((await store.create(5)).job_id)
    await store.cancel((await store.create(5)).job_id)
    later = Timestamp()
    later.FromDatetime(datetime(2100, 1, 1, tzinfo=UTC))
    await store.create(5, schedule_time=later)
    held_back = await store.create(5)
    await store.change(held_back.job_id, wake_time=2**60)
    await backlog.update()
    assert waiting() == 0
    assert {state: jobs(state) for state in ("PAUSED", "SCHEDULED", "PENDING", "RUNNING")} == {
        "PAUSED": 1,
        "SCHEDULED": 1,
        "PENDING": 1,
        "RUNNING": 0,
    }


async def test_a_job_of_limited_parallelism_waits_only_for_what_more_workers_could_lease(store, backlog):
    await store.create(100, max_parallelism=2)
    await backlog.update()
    assert waiting() == 14  # two chunks of 7
    worker = await store.worker()
    assert len((await worker.lease(7)).leases) == 1
    await backlog.update()
    assert waiting() == 7


async def test_finished_jobs_are_not_counted(store, backlog):
    await store.create(3)
    worker = await store.worker()
    await worker.succeed(*await worker.lease_all())
    await store.create(1, tenant="b")
    await backlog.update()
    assert (jobs("PENDING"), jobs("RUNNING"), jobs("SUCCEEDED")) == (1, 0, None)


@pytest.mark.parametrize("name", ["_ITEMS_WAITING", "_LIVE_JOBS"])
@pytest.mark.parametrize("database_name", ["postgresql"], indirect=True)
async def test_postgresql_finds_the_rows_by_partial_indexes_and_never_reads_finished_jobs(store, name):
    statement = sql.prepare(getattr(backlog_rows, name), store.sqlite)
    rows = {alias: [(1,)] for alias in statement.columns}
    plan = await store.explain(statement, sql.parameters(statement, store.sqlite, store.clock, {}, rows))
    assert "Seq Scan on job_progress" not in plan
    index = {"_ITEMS_WAITING": "job_progress_leasable", "_LIVE_JOBS": "job_progress_states"}[name]
    assert index in plan
    if name == "_LIVE_JOBS":
        condition = next(line for line in plan.splitlines() if "Index Cond" in line and "tenant" in line)
        assert "state" in condition


async def test_numbers_that_cannot_be_read_disappear_so_that_nobody_acts_on_old_ones(store, backlog):
    await store.create(3)
    await backlog.update()
    assert waiting() == 3
    unreachable = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(UnavailableError):
        await Backlog(unreachable).update()
    await unreachable.close()
    assert waiting() is None
    assert jobs("PENDING") is None
    await backlog.update()
    assert waiting() == 3
