"""Uploads: judging failures, early ends, expiry and retries."""

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2

HOUR = 3_600


async def refused(call):
    """Returns the error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def test_an_upload_is_judged_when_it_is_finished(store):
    job = await store.open_upload(max_failed_ratio=0.5)
    worker = await store.worker()
    await store.append(job.job_id, 0, 3)
    await worker.fail(*await worker.lease_all())
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_UPLOADING
    response = await store.append(job.job_id, 3, 2, finish_total_count=5)
    assert response.job.state == jobs_pb2.JOB_STATE_FAILED
    assert response.job.error.reason == "TOO_MANY_FAILED_ITEMS"
    assert response.job.progress.cancelled_count == 2
    assert not response.effects.tasks_to_publish


async def test_failures_within_the_ratio_of_the_whole_upload_do_not_fail_it(store):
    job = await store.open_upload(max_failed_ratio=0.5)
    worker = await store.worker()
    await store.append(job.job_id, 0, 3)
    await worker.fail(*await worker.lease_all())
    await store.append(job.job_id, 3, 3, finish_total_count=6)
    await worker.succeed(*await worker.lease_all())
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def assert_ended(store, job_id):
    """Checks that an upload that began to end early accepts no items but still returns its count."""
    before = await store.get(job_id)
    stored = before.progress.total_count
    for call in (store.append(job_id, stored, 1), store.append(job_id, 0, 1), store.finish(job_id, stored)):
        error = await refused(call)
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "JOB_ENDED")
    response = await store.append(job_id)
    assert (response.stored_count, response.job) == (stored, before)


async def test_an_upload_that_is_being_cancelled_accepts_no_items(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.append(job.job_id, 0, 1)
    leases = await worker.lease_all()
    assert (await store.cancel(job.job_id)).job.state == jobs_pb2.JOB_STATE_CANCELLING
    await assert_ended(store, job.job_id)
    await worker.release(*leases)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_CANCELLED
    await assert_ended(store, job.job_id)


async def test_an_upload_whose_job_failed_accepts_no_items(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.append(job.job_id, 0, 1)
    lease = (await worker.lease_all())[0]
    record = store.release_of(lease)
    record.job_error.reason = "BAD_KEY"
    await worker.record(record)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_FAILED
    await assert_ended(store, job.job_id)


async def test_an_upload_expires_an_hour_after_the_last_new_item(store):
    job = await store.open_upload()
    store.advance(HOUR - 1)
    await store.append(job.job_id, 0, 2)
    store.advance(HOUR - 2)
    await store.append(job.job_id, 0, 2)  # Nothing new.
    await store.append(job.job_id)
    assert not (await store.sweep()).effects.changed_jobs
    store.advance(3)
    effects = (await store.sweep()).effects
    assert [each.state for each in effects.changed_jobs] == [jobs_pb2.JOB_STATE_EXPIRED]
    ended = effects.changed_jobs[0]
    assert (ended.error.reason, ended.progress.cancelled_count) == ("UPLOAD_TIMED_OUT", 2)
    assert ended.error.message
    assert not effects.tasks_to_publish
    await assert_ended(store, job.job_id)
    assert not (await store.sweep()).effects.changed_jobs


async def test_an_upload_that_never_got_an_item_expires_too(store):
    job = await store.open_upload()
    store.advance(HOUR + 1)
    await store.sweep()
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_EXPIRED


async def test_an_upload_that_was_finished_in_time_never_expires(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 2, finish_total_count=2)
    store.advance(10 * HOUR)
    assert not (await store.sweep()).effects.changed_jobs
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_PENDING


async def test_an_upload_expires_while_a_worker_has_leases_of_it(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 1)
    store.advance(HOUR - 5)
    worker = await store.worker()
    leases = await worker.lease_all()
    store.advance(6)
    effects = (await store.sweep()).effects
    assert [each.state for each in effects.changed_jobs] == [jobs_pb2.JOB_STATE_CANCELLING]
    assert [each.incarnation for each in effects.workers_to_notify] == [worker.incarnation]
    await worker.release(*leases)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_EXPIRED


async def test_more_uploads_than_a_sweep_takes_at_once_expire_in_one_sweep(store):
    jobs = [store.new_job(0, upload_open=True) for _ in range(450)]
    await store.create_all(*jobs)
    store.advance(HOUR + 1)
    effects = (await store.sweep()).effects
    assert len(effects.changed_jobs) == 450


async def test_items_that_arrive_before_the_sweep_prevent_the_expiry_of_an_upload(store):
    job = await store.open_upload()
    store.advance(HOUR + 1)
    assert (await store.append(job.job_id, 0, 1)).job.state == jobs_pb2.JOB_STATE_UPLOADING
    assert not (await store.sweep()).effects.changed_jobs


async def test_retrying_an_ended_upload_closes_it_with_its_stored_items(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.append(job.job_id, 0, 2)
    await store.cancel(job.job_id)
    retried = (await store.retry(job.job_id)).job
    assert (retried.state, retried.progress.total_count) == (jobs_pb2.JOB_STATE_PENDING, 2)
    assert (await refused(store.append(job.job_id, 2, 1))).reason == "UPLOAD_CLOSED"
    assert (await store.finish(job.job_id, 2)).job == retried
    store.advance(HOUR + 1)
    await store.sweep()
    await worker.beat()
    await worker.succeed(*await worker.lease_all())
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_retrying_an_ended_upload_whose_items_all_succeeded_ends_it_well(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.append(job.job_id, 0, 2)
    await worker.succeed(*await worker.lease_all())
    store.advance(HOUR + 1)
    await store.sweep()
    response = await store.retry(job.job_id)
    assert response.job.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert not response.job.HasField("error")
    assert list(response.effects.changed_jobs) == [response.job]
    assert (await store.retry(job.job_id, "once more")).job == response.job
