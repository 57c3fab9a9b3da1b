import time

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2

CANCELLED = jobs_pb2.JOB_STATE_CANCELLED
CANCELLING = jobs_pb2.JOB_STATE_CANCELLING


async def test_cancelling_a_job_without_leases_ends_it_at_once(store):
    job = await store.create(items=5)
    response = await store.cancel(job.job_id)
    assert response.job.state == CANCELLED
    assert response.job.progress.cancelled_count == 5
    assert list(response.effects.changed_jobs) == [response.job]
    assert not (await (await store.worker()).lease()).leases


@pytest.mark.parametrize("state", ["SCHEDULED", "BLOCKED", "UPLOADING", "PAUSED"])
async def test_a_job_that_waits_for_something_is_cancelled_at_once_and_never_leased(store, state):
    if state == "UPLOADING":
        job = await store.open_upload()
        await store.append(job.job_id, items=3)
    elif state == "SCHEDULED":
        later = Timestamp(seconds=int(time.time()) + 60)
        job = await store.create(items=3, schedule_time=later)
    else:
        job = await store.create(items=3)
    if state == "PAUSED":
        await store.pause(job.job_id)
    if state == "BLOCKED":  # No call makes a job wait for others yet.
        await store.change(job.job_id, waiting_parent_count=1)
    response = await store.cancel(job.job_id)
    assert response.job.state == CANCELLED
    assert response.job.progress.cancelled_count == 3
    assert not response.effects.workers_to_notify
    store.advance(61)
    worker = await store.worker()
    assert not (await store.sweep()).effects.tasks_to_publish
    assert not (await worker.lease()).leases
    assert (await store.get(job.job_id)).state == CANCELLED


async def test_cancelling_a_running_job_names_the_workers_with_leases_and_waits_for_them(store):
    job = await store.create(items=32)
    one, two = await store.worker(), await store.worker()
    first, second = (await one.lease(capacity=4)).leases, (await two.lease(capacity=4)).leases
    response = await store.cancel(job.job_id)
    assert response.job.state == CANCELLING
    notified = {(each.incarnation, each.address, each.job_id) for each in response.effects.workers_to_notify}
    assert notified == {(worker.incarnation, worker.address, job.job_id) for worker in (one, two)}
    assert list((await one.beat(*first)).stop_job_ids) == [job.job_id]
    assert not (await one.lease()).leases
    await one.release(*first)
    assert (await store.get(job.job_id)).state == CANCELLING
    await two.succeed(second[0])
    ended = (await two.release(second[1])).effects.changed_jobs[0]
    assert ended.state == CANCELLED
    assert (ended.progress.succeeded_count, ended.progress.cancelled_count) == (2, 30)


async def test_cancelling_twice_names_the_workers_with_leases_again(store):
    job = await store.create(items=1)
    worker = await store.worker()
    await worker.lease()
    first = await store.cancel(job.job_id)
    second = await store.cancel(job.job_id)
    assert second.job == first.job
    assert second.effects.workers_to_notify == first.effects.workers_to_notify
    assert not second.effects.changed_jobs


async def test_cancelling_a_finished_job_returns_it_unchanged(store):
    job = await store.create(items=1)
    worker = await store.worker()
    await worker.succeed(*(await worker.lease()).leases)
    done = await store.get(job.job_id)
    response = await store.cancel(job.job_id)
    assert response.job == done
    assert not response.effects.changed_jobs


async def test_a_job_of_another_tenant_is_not_found(store):
    job = await store.create(tenant="a")
    for job_id in (job.job_id, store.new_job().job_id, "no uuid"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await store.cancel(job_id, tenant="b")
        assert from_rpc_error(caught.value).reason == "JOB_NOT_FOUND"
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_job_ends_when_the_last_worker_with_a_lease_of_it_dies(store):
    job = await store.create(items=1)
    await (await store.worker()).lease()
    await store.cancel(job.job_id)
    store.advance(31)
    effects = (await store.sweep()).effects
    assert [(each.job_id, each.state) for each in effects.changed_jobs] == [(job.job_id, CANCELLED)]
    assert not effects.tasks_to_publish


async def test_finishing_all_items_of_a_job_being_cancelled_leaves_it_cancelled(store):
    job = await store.create(items=1)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    await store.cancel(job.job_id)
    await worker.succeed(lease)
    ended = await store.get(job.job_id)
    assert ended.state == CANCELLED
    assert (ended.progress.succeeded_count, ended.progress.cancelled_count) == (1, 0)


async def test_a_late_success_in_a_finished_job_moves_counters_and_nothing_else(store):
    job = await store.create(items=2)
    worker = await store.worker()
    lease = (await worker.lease(capacity=1)).leases[0]
    await store.cancel(job.job_id)
    await worker.release(lease)
    ended = await store.get(job.job_id)
    store.advance(1)
    changed = (await worker.succeed(lease)).effects.changed_jobs[0]
    assert (changed.state, changed.finish_time) == (ended.state, ended.finish_time)
    assert changed.seq == ended.seq + 1
    assert (changed.progress.succeeded_count, changed.progress.cancelled_count) == (1, 1)


async def test_retrying_starts_a_new_round_of_items_without_a_success(store):
    job = await store.create(items=3, max_failed_ratio=0.0)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.succeed(leases[1])
    await worker.fail(leases[0])
    await worker.release(leases[2])
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_FAILED
    response = await store.retry(job.job_id)
    assert response.job.state == jobs_pb2.JOB_STATE_RUNNING
    assert not response.job.HasField("error")
    assert not response.job.HasField("finish_time")
    assert (response.job.progress.succeeded_count, response.job.progress.failed_count) == (1, 0)
    assert [task.count for task in response.effects.tasks_to_publish] == [2]
    assert [result.item_index for result in (await store.results(job.job_id)).results] == [1]
    again = (await worker.lease()).leases
    assert [(lease.round, item.item_index) for lease in again for item in lease.items] == [(2, 0), (2, 2)]
    await worker.succeed(*again)
    done = await store.get(job.job_id)
    assert done.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert done.usage.call_count == 4


async def test_a_repeated_retry_starts_one_round(store):
    job = await store.create(items=1)
    await store.cancel(job.job_id)
    first = await store.retry(job.job_id, "a")
    assert (await store.retry(job.job_id, "a")).job == first.job
    await store.cancel(job.job_id)
    cancelled = await store.get(job.job_id)
    assert (await store.retry(job.job_id, "a")).job == cancelled
    assert (await store.retry(job.job_id, "b")).job.state == jobs_pb2.JOB_STATE_PENDING


async def test_retrying_a_live_job_or_one_without_failures_changes_nothing(store):
    job = await store.create(items=1)
    assert (await store.retry(job.job_id)).job == job
    worker = await store.worker()
    await worker.succeed(*(await worker.lease()).leases)
    done = await store.get(job.job_id)
    response = await store.retry(job.job_id)
    assert response.job == done
    assert not response.effects.tasks_to_publish


async def test_a_failure_of_an_older_round_is_ignored_and_a_success_is_accepted(store):
    job = await store.create(items=2)
    worker = await store.worker()
    old = (await worker.lease()).leases
    await store.cancel(job.job_id)
    await worker.release(*old)
    await store.retry(job.job_id)
    new = (await worker.lease()).leases
    record = store.record_of(new[0], error=jobs_pb2.Error(reason="BAD"))
    record.items[0].round = 1
    await worker.record(record)
    assert (await store.get(job.job_id)).progress.failed_count == 0
    await worker.succeed(old[0])
    assert (await store.get(job.job_id)).progress.succeeded_count == 1
    assert list((await worker.beat(*new)).lost_leases) == [new[0].ref]


async def test_retrying_a_job_whose_scheduled_time_has_come_leaves_it_to_the_sweep(store):
    new = store.new_job()
    new.options.schedule_time.FromMicroseconds(store.clock.local_now() + 60 * 1_000_000)
    job = (await store.create_all(new)).outcomes[0].job
    store.advance(61)
    assert (await store.retry(job.job_id)).job == job
    assert [each.job_id for each in (await store.sweep()).effects.changed_jobs] == [job.job_id]
