"""PauseJob, ResumeJob and schedule_time: when chunks of a job are leased and when not."""

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2

PAUSED = jobs_pb2.JOB_STATE_PAUSED
USER = jobs_pb2.PAUSE_REASON_USER


async def start_time(store, seconds):
    """Returns the instant a number of seconds from now, by the store's clock."""
    job = await store.create()
    now = job.create_time.ToMicroseconds()
    await store.cancel(job.job_id)
    instant = Timestamp()
    instant.FromMicroseconds(now + int(seconds * 1_000_000))
    return instant


async def leased_jobs(worker, **fields):
    return {lease.ref.job_id for lease in (await worker.lease(**fields)).leases}


async def test_a_paused_job_is_leased_to_nobody_until_it_is_resumed(store):
    job = await store.create(items=3)
    worker = await store.worker()
    paused = await store.pause(job.job_id)
    assert (paused.job.state, paused.job.pause_reason, paused.job.seq) == (PAUSED, USER, job.seq + 1)
    assert list(paused.effects.changed_jobs) == [paused.job]
    assert not paused.effects.tasks_to_publish
    assert await leased_jobs(worker) == set()
    assert not (await worker.beat()).classes_with_work
    resumed = await store.resume(job.job_id)
    assert (resumed.job.state, resumed.job.pause_reason) == (jobs_pb2.JOB_STATE_PENDING, 0)
    assert [task.job_id for task in resumed.effects.tasks_to_publish] == [job.job_id]
    assert await leased_jobs(worker) == {job.job_id}


async def test_pausing_names_the_workers_with_leases_and_their_results_count(store):
    job = await store.create(items=32)
    worker, other = await store.worker(), await store.worker()
    first, second = (await worker.lease(capacity=4)).leases
    response = await store.pause(job.job_id)
    (notified,) = response.effects.workers_to_notify
    assert (notified.incarnation, notified.address, notified.pause) == (
        worker.incarnation,
        worker.address,
        True,
    )
    assert list((await worker.beat(first, second)).pause_job_ids) == [job.job_id]
    outcome = (await worker.succeed(first)).outcomes[0]
    assert (outcome.pause, outcome.stop, outcome.lost) == (True, False, False)
    released = await worker.release(second)
    assert not released.effects.tasks_to_publish
    assert not (await worker.beat()).pause_job_ids
    assert await leased_jobs(other) == set()
    now = await store.get(job.job_id)
    assert (now.state, now.progress.succeeded_count) == (PAUSED, 2)
    await store.resume(job.job_id)
    leases = (await other.lease()).leases
    assert sorted(item.item_index for lease in leases for item in lease.items) == list(range(2, 32))


async def test_a_second_pause_or_resume_changes_nothing(store):
    job = await store.create(items=1)
    worker = await store.worker()
    await worker.lease()
    first, second = await store.pause(job.job_id), await store.pause(job.job_id)
    assert second.job == first.job
    assert not second.effects.changed_jobs
    assert second.effects.workers_to_notify == first.effects.workers_to_notify
    third, fourth = await store.resume(job.job_id), await store.resume(job.job_id)
    assert fourth.job == third.job
    assert not fourth.effects.changed_jobs


async def test_a_job_whose_last_items_are_recorded_while_it_is_paused_ends(store):
    job = await store.create(items=1)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await store.pause(job.job_id)
    ended = (await worker.succeed(*leases)).effects.changed_jobs[0]
    assert ended.state == jobs_pb2.JOB_STATE_SUCCEEDED
    for call in (store.pause, store.resume):
        response = await call(job.job_id)
        assert response.job == ended
        assert not response.effects.changed_jobs


async def test_a_paused_job_can_be_cancelled_and_one_that_is_being_ended_is_not_paused(store):
    job = await store.create(items=32)
    worker = await store.worker()
    (lease,) = (await worker.lease(capacity=2)).leases
    await store.pause(job.job_id)
    cancelled = await store.cancel(job.job_id)
    assert cancelled.job.state == jobs_pb2.JOB_STATE_CANCELLING
    assert [notified.pause for notified in cancelled.effects.workers_to_notify] == [False]
    beat = await worker.beat(lease)
    assert (list(beat.stop_job_ids), list(beat.pause_job_ids)) == ([job.job_id], [])
    assert (await store.pause(job.job_id)).job == cancelled.job
    await worker.release(lease)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_CANCELLED
    idle = await store.create(items=5)
    await store.pause(idle.job_id)
    assert (await store.cancel(idle.job_id)).job.state == jobs_pb2.JOB_STATE_CANCELLED


async def test_an_upload_continues_while_its_job_is_paused(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.pause(job.job_id)
    appended = await store.append(job.job_id, items=3)
    assert (appended.stored_count, appended.job.state) == (3, PAUSED)
    assert not appended.effects.tasks_to_publish
    assert (await store.finish(job.job_id, 3)).job.state == PAUSED
    assert await leased_jobs(worker) == set()
    await store.resume(job.job_id)
    await worker.succeed(*(await worker.lease()).leases)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_items_that_wait_for_another_attempt_are_due_again_after_the_pause(store):
    job = await store.create(items=1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    await worker.record(store.deferral_of(lease, [0], 5_000), store.release_of(lease))
    await store.pause(job.job_id)
    assert not (await store.resume(job.job_id)).effects.tasks_to_publish
    await store.pause(job.job_id)
    store.advance(6)
    assert not (await store.sweep()).effects.tasks_to_publish
    await worker.beat()
    assert await leased_jobs(worker) == set()
    assert (await store.resume(job.job_id)).effects.tasks_to_publish
    (again,) = (await worker.lease()).leases
    assert again.items[0].attempt_count == 1


async def test_chunks_of_a_paused_job_that_a_dead_worker_had_leased_wait_for_its_resumption(store):
    job = await store.create(items=1)
    worker, other = await store.worker(), await store.worker()
    await worker.lease()
    await store.pause(job.job_id)
    ended = await store.end_worker(worker, 1)
    assert not ended.effects.tasks_to_publish
    assert await leased_jobs(other) == set()
    await store.resume(job.job_id)
    assert await leased_jobs(other) == {job.job_id}


async def test_a_scheduled_job_is_leased_from_its_time_on(store):
    job = await store.create(schedule_time=await start_time(store, 60))
    worker = await store.worker()
    assert job.state == jobs_pb2.JOB_STATE_SCHEDULED
    assert await leased_jobs(worker) == set()
    store.advance(61)
    (changed,) = (await store.sweep()).effects.changed_jobs
    assert (changed.job_id, changed.state) == (job.job_id, jobs_pb2.JOB_STATE_PENDING)
    await worker.beat()
    assert await leased_jobs(worker) == {job.job_id}


async def test_a_start_in_the_past_is_at_once(store):
    job = await store.create(schedule_time=await start_time(store, -60))
    assert job.state == jobs_pb2.JOB_STATE_PENDING
    assert await leased_jobs(await store.worker()) == {job.job_id}


async def test_a_scheduled_job_can_be_paused_over_its_time_and_cancelled(store):
    job = await store.create(schedule_time=await start_time(store, 60))
    other = await store.create(schedule_time=await start_time(store, 60))
    assert (await store.cancel(other.job_id)).job.state == jobs_pb2.JOB_STATE_CANCELLED
    assert (await store.pause(job.job_id)).job.state == PAUSED
    assert (await store.resume(job.job_id)).job.state == jobs_pb2.JOB_STATE_SCHEDULED
    await store.pause(job.job_id)
    store.advance(61)
    assert not (await store.sweep()).effects.changed_jobs
    resumed = await store.resume(job.job_id)
    assert resumed.job.state == jobs_pb2.JOB_STATE_PENDING
    assert resumed.effects.tasks_to_publish


async def test_items_of_a_scheduled_upload_wait_for_its_time(store):
    job = await store.open_upload(schedule_time=await start_time(store, 60))
    worker = await store.worker()
    appended = await store.append(job.job_id, items=2)
    assert (appended.job.state, appended.stored_count) == (jobs_pb2.JOB_STATE_SCHEDULED, 2)
    assert await leased_jobs(worker) == set()
    store.advance(61)
    (changed,) = (await store.sweep()).effects.changed_jobs
    assert changed.state == jobs_pb2.JOB_STATE_UPLOADING
    await worker.beat()
    assert await leased_jobs(worker) == {job.job_id}


async def test_a_retry_starts_a_paused_and_cancelled_job_at_once(store):
    job = await store.create(items=2)
    worker = await store.worker()
    await store.pause(job.job_id)
    await store.cancel(job.job_id)
    retried = await store.retry(job.job_id)
    assert (retried.job.state, retried.job.pause_reason) == (jobs_pb2.JOB_STATE_PENDING, 0)
    assert await leased_jobs(worker) == {job.job_id}


async def test_a_job_of_another_tenant_is_neither_paused_nor_resumed(store):
    job = await store.create(tenant="a")
    for call in (store.pause, store.resume):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(job.job_id)
        assert from_rpc_error(caught.value).reason == "JOB_NOT_FOUND"
