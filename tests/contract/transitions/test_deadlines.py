"""Deadlines of jobs: when they end a job, and which ends take precedence."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from services.results.database import sql
from services.results.rows import job_rows

CANCELLING, CANCELLED = jobs_pb2.JOB_STATE_CANCELLING, jobs_pb2.JOB_STATE_CANCELLED
EXPIRED, SUCCEEDED = jobs_pb2.JOB_STATE_EXPIRED, jobs_pb2.JOB_STATE_SUCCEEDED
MINUTE = Duration(seconds=60)


def seconds_between(start, end):
    return (end.ToMicroseconds() - start.ToMicroseconds()) / 1_000_000


async def swept(store, job_id):
    """Sweeps and returns the changed snapshot of a job; None if it is unchanged."""
    changed = {job.job_id: job for job in (await store.sweep()).effects.changed_jobs}
    return changed.get(job_id)


async def test_a_deadline_counts_from_the_creation_to_the_microsecond(store):
    job = await store.create(job_timeout=Duration(seconds=90, nanos=500_000_000))
    assert seconds_between(job.create_time, job.expire_time) == 90.5
    assert not (await store.create()).HasField("expire_time")


async def test_a_deadline_counts_from_the_wanted_start(store):
    first = await store.create()
    start = Timestamp()
    start.FromMicroseconds(first.create_time.ToMicroseconds() + 300_000_000)
    job = await store.create(schedule_time=start, job_timeout=MINUTE)
    assert seconds_between(start, job.expire_time) == 60
    store.advance(301)
    await store.sweep()
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_PENDING


async def test_a_job_without_leases_ends_at_the_first_sweep_after_its_deadline(store):
    job = await store.create(items=3, job_timeout=MINUTE)
    store.advance(59)
    assert await swept(store, job.job_id) is None
    store.advance(1.5)
    ended = await swept(store, job.job_id)
    assert (ended.state, ended.error.reason) == (EXPIRED, "JOB_TIMED_OUT")
    assert "60 s" in ended.error.message
    assert ended.progress.cancelled_count == 3
    assert ended.expire_time == job.expire_time
    assert await swept(store, job.job_id) is None


async def paused(store, **fields):
    job = await store.create(**fields)
    return (await store.pause(job.job_id)).job


async def uploading(store, **fields):
    job = await store.open_upload(**fields)
    await store.append(job.job_id, items=2)
    return job


async def blocked(store, **fields):
    job = await store.create(**fields)
    await store.change(job.job_id, waiting_parent_count=1)
    return job


@pytest.mark.parametrize("begin", [paused, uploading, blocked])
async def test_a_deadline_ends_a_job_that_waits(store, begin):
    job = await begin(store, job_timeout=MINUTE)
    store.advance(61)
    ended = await swept(store, job.job_id)
    assert (ended.state, ended.error.reason) == (EXPIRED, "JOB_TIMED_OUT")


async def test_a_batch_that_comes_after_the_deadline_is_the_last_one(store):
    job = await uploading(store, job_timeout=MINUTE)
    store.advance(61)
    appended = await store.append(job.job_id, first=2, items=1)
    assert (appended.stored_count, appended.job.state) == (3, EXPIRED)
    assert [each.state for each in appended.effects.changed_jobs] == [EXPIRED]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await store.append(job.job_id, first=3, items=1)
    assert from_rpc_error(caught.value).reason == "JOB_ENDED"


async def test_workers_with_leases_are_notified_and_the_job_ends_when_they_have_released_them(store):
    job = await store.create(items=32, job_timeout=Duration(seconds=2))
    worker = await store.worker()
    first, second = (await worker.lease(capacity=4)).leases
    store.advance(3)
    effects = (await store.sweep()).effects
    (notified,) = effects.workers_to_notify
    assert (notified.incarnation, notified.job_id, notified.pause) == (worker.incarnation, job.job_id, False)
    assert [each.state for each in effects.changed_jobs] == [CANCELLING]
    assert list((await worker.beat(first, second)).stop_job_ids) == [job.job_id]
    assert (await worker.succeed(first)).outcomes[0].stop
    await worker.release(second)
    ended = await store.get(job.job_id)
    assert (ended.state, ended.progress.succeeded_count) == (EXPIRED, 2)


async def test_nothing_is_leased_after_the_deadline_even_before_a_sweep(store):
    job = await store.create(items=3, job_timeout=Duration(seconds=2))
    other = await store.create(items=1)
    worker = await store.worker()
    store.advance(2.5)
    leases = (await worker.lease()).leases
    assert {lease.ref.job_id for lease in leases} == {other.job_id}
    assert (await store.get(job.job_id)).state == EXPIRED


async def test_a_last_result_that_comes_after_the_deadline_makes_the_job_succeed(store):
    job = await store.create(items=2, job_timeout=Duration(seconds=2))
    worker = await store.worker()
    leases = (await worker.lease()).leases
    store.advance(3)
    outcome = (await worker.succeed(*leases)).outcomes[0]
    assert outcome.stop  # It has ended.
    done = await store.get(job.job_id)
    assert (done.state, done.error.reason) == (SUCCEEDED, "")
    assert await swept(store, job.job_id) is None


async def test_a_result_after_the_deadline_expires_the_job_unless_it_is_the_last(store):
    job = await store.create(items=32, job_timeout=Duration(seconds=2))
    worker = await store.worker()
    first, second = (await worker.lease(capacity=4)).leases
    store.advance(3)
    recorded = await worker.succeed(first)
    assert recorded.outcomes[0].stop
    (notified,) = recorded.effects.workers_to_notify
    assert notified.job_id == job.job_id
    assert (await store.get(job.job_id)).state == CANCELLING
    await worker.release(second)
    assert (await store.get(job.job_id)).state == EXPIRED


async def test_a_cancel_before_the_deadline_stays_a_cancel(store):
    job = await store.create(items=1, job_timeout=Duration(seconds=2))
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    await store.cancel(job.job_id)
    store.advance(3)
    assert await swept(store, job.job_id) is None
    await worker.release(lease)
    ended = await store.get(job.job_id)
    assert (ended.state, ended.error.reason) == (CANCELLED, "")


async def test_a_cancel_of_a_job_being_expired_leaves_it_expired(store):
    job = await store.create(items=1, job_timeout=Duration(seconds=2))
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    store.advance(3)
    await store.sweep()
    response = await store.cancel(job.job_id)
    assert [each.incarnation for each in response.effects.workers_to_notify] == [worker.incarnation]
    await worker.release(lease)
    assert (await store.get(job.job_id)).state == EXPIRED


async def test_a_retry_starts_the_deadline_anew(store):
    job = await store.create(items=1, job_timeout=MINUTE)
    store.advance(100)
    ended = await swept(store, job.job_id)
    again = (await store.retry(job.job_id)).job
    assert again.state == jobs_pb2.JOB_STATE_PENDING
    assert not again.error.reason
    assert 0 <= seconds_between(ended.finish_time, again.expire_time) - 60 < 5
    assert await swept(store, job.job_id) is None
    store.advance(61)
    assert (await swept(store, job.job_id)).state == EXPIRED


async def test_a_leased_job_names_the_time_limits_of_its_items_and_calls(store):
    item_timeout, call_timeout = Duration(seconds=7, nanos=250_000_000), Duration(nanos=1_000_000)
    limited = await store.create(item_timeout=item_timeout, call_timeout=call_timeout)
    free = await store.create()
    specs = {spec.job_id: spec for spec in (await (await store.worker()).lease()).jobs}
    assert specs[limited.job_id].options.item_timeout == item_timeout
    assert specs[limited.job_id].options.call_timeout == call_timeout
    assert not specs[free.job_id].options.HasField("item_timeout")
    assert not specs[free.job_id].options.HasField("call_timeout")


async def test_the_index_of_deadlines_is_used(store):
    statement = sql.prepare(job_rows._LOCK_DUE, store.sqlite)
    parameters = sql.parameters(statement, store.sqlite, store.clock, {"limit": 200}, {})
    plan = await store.explain(statement, parameters)
    assert "job_progress_expiring" in plan
