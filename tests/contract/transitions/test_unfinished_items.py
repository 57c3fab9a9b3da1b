"""Items that come back without a result: releases and deferrals."""

from headrace.jobs.v1 import jobs_pb2

SUCCEEDED = jobs_pb2.ITEM_STATE_SUCCEEDED
FAILED = jobs_pb2.ITEM_STATE_FAILED


async def test_a_released_chunk_is_leasable_at_once_and_asks_for_a_task(store):
    job = await store.create(items=1)
    worker = await store.worker()
    effects = (await worker.release(*(await worker.lease()).leases)).effects
    assert [task.job_id for task in effects.tasks_to_publish] == [job.job_id]
    lease = (await worker.lease()).leases[0]
    assert lease.ref.fence == 2
    assert not lease.quarantined


async def test_a_release_under_an_old_fence_does_nothing(store):
    await store.create(items=1)
    worker = await store.worker()
    old = (await worker.lease()).leases[0]
    await worker.release(old)
    new = (await worker.lease()).leases[0]
    await worker.release(old)
    assert not (await worker.beat(new)).lost_leases


async def test_a_release_with_a_wait_delays_the_whole_job(store):
    job = await store.create(items=32)
    worker = await store.worker()
    lease = (await worker.lease(capacity=2)).leases[0]
    response = await worker.release(lease, job_delay_ms=60_000)
    assert not response.effects.tasks_to_publish
    assert not (await worker.lease()).leases
    assert not (await worker.beat()).classes_with_work
    assert not (await store.sweep()).effects.tasks_to_publish
    store.advance(61)
    await worker.beat()
    effects = (await store.sweep()).effects
    assert [task.job_id for task in effects.tasks_to_publish] == [job.job_id]
    assert not (await store.sweep()).effects.tasks_to_publish
    assert len((await worker.lease()).leases) == 16


async def test_a_deferred_item_comes_back_when_it_is_due_with_its_attempts(store):
    job = await store.create(items=1)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    await worker.record(store.deferral_of(lease, [0], delay_ms=20_000, attempt_count=2))
    assert not (await worker.lease()).leases
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING
    store.advance(21)
    await worker.beat()
    assert [task.job_id for task in (await store.sweep()).effects.tasks_to_publish] == [job.job_id]
    item = (await worker.lease()).leases[0].items[0]
    assert (item.attempt_count, item.usage.call_count) == (2, 2)


async def test_a_chunk_returns_with_its_due_unfinished_items_only(store):
    await store.create(items=64)
    worker = await store.worker()
    lease = (await worker.lease(capacity=4)).leases[0]
    await worker.record(store.record_of(lease, [0], output="1"))
    await worker.record(store.deferral_of(lease, [1], delay_ms=20_000))
    again = (await worker.lease(capacity=4)).leases[0]
    assert again.ref.chunk_index == lease.ref.chunk_index
    assert [item.item_index for item in again.items] == [2, 3]
    await worker.succeed(again)
    await worker.release(again)
    assert again.ref.chunk_index not in [other.ref.chunk_index for other in (await worker.lease()).leases]
    store.advance(21)
    await worker.beat()
    await store.sweep()
    last = (await worker.lease()).leases
    assert [[item.item_index for item in each.items] for each in last if each.ref.chunk_index == 0] == [[1]]


async def test_a_deferral_under_a_lost_lease_is_ignored(store):
    await store.create(items=1)
    worker, other = await store.worker(), await store.worker()
    lease = (await worker.lease()).leases[0]
    store.advance(9)
    await worker.beat()
    await worker.record(store.deferral_of(lease, [0], delay_ms=20_000))
    assert len((await other.lease()).leases) == 1
