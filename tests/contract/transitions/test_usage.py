"""Usage of jobs: each attempt once, whether or not its item gets a result."""

from headrace.jobs.v1 import jobs_pb2


async def usage(store, job):
    return (await store.get(job.job_id)).usage.call_count


async def test_attempts_of_items_without_a_result_after_a_cancel_are_in_the_usage_once(store):
    job = await store.create(items=48)
    worker = await store.worker()
    lease = (await worker.lease(capacity=3)).leases[0]
    await worker.record(store.record_of(lease, [0], output="1"))
    await store.cancel(job.job_id)
    given_back = store.deferral_of(lease, [1, 2], delay_ms=0, attempt_count=2)
    response = await worker.record(given_back)
    ended = response.effects.changed_jobs[0]
    assert ended.state == jobs_pb2.JOB_STATE_CANCELLED
    assert (ended.progress.succeeded_count, ended.progress.cancelled_count) == (1, 47)
    assert ended.usage.call_count == 1 + 2 + 2
    assert not (await worker.record(given_back)).effects.changed_jobs
    assert await usage(store, job) == 5


async def test_attempts_of_an_item_are_in_the_usage_before_its_result_and_are_not_counted_again_with_it(
    store,
):
    job = await store.create(items=1)
    worker = await store.worker()
    first = (await worker.lease()).leases[0]
    await worker.record(store.deferral_of(first, [0], delay_ms=0, attempt_count=2))
    assert await usage(store, job) == 2
    second = (await worker.lease()).leases[0]
    await worker.record(store.deferral_of(second, [0], delay_ms=0, attempt_count=3))
    assert await usage(store, job) == 3
    third = (await worker.lease()).leases[0]
    assert third.items[0].usage.call_count == 3
    used = jobs_pb2.Usage(call_count=4, input_tokens=10, output_tokens=2, cost_micros=5)
    await worker.record(store.record_of(third, output="1", attempt_count=4, usage=used))
    done = await store.get(job.job_id)
    assert (done.state, done.usage) == (jobs_pb2.JOB_STATE_SUCCEEDED, used)


async def test_attempts_repeated_under_one_lease_are_counted_once(store):
    job = await store.create(items=32)
    worker = await store.worker()
    lease = (await worker.lease(capacity=2)).leases[0]
    record = store.deferral_of(lease, [0], delay_ms=60_000, attempt_count=2)
    del record.releases[:]
    for _ in range(2):
        await worker.record(record)
        assert await usage(store, job) == 2


async def test_attempts_of_a_lost_lease_are_not_counted_and_a_late_success_subtracts_nothing(store):
    job = await store.create(items=1)
    slow, other = await store.worker(), await store.worker()
    lost = (await slow.lease()).leases[0]
    store.advance(9)
    await slow.beat()
    await slow.record(store.deferral_of(lost, [0], delay_ms=0, attempt_count=9))
    assert await usage(store, job) == 0
    lease = (await other.lease()).leases[0]
    await other.record(store.deferral_of(lease, [0], delay_ms=0, attempt_count=2))
    await slow.record(store.record_of(lost, output='"late"'))
    done = await store.get(job.job_id)
    assert (done.state, done.usage.call_count) == (jobs_pb2.JOB_STATE_SUCCEEDED, 2)


async def test_what_one_round_has_used_stays_in_the_usage_of_the_next(store):
    job = await store.create(items=1)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    await store.cancel(job.job_id)
    await worker.record(store.deferral_of(lease, [0], delay_ms=0))
    await store.retry(job.job_id)
    again = (await worker.lease()).leases[0]
    assert not again.items[0].usage.call_count
    await worker.succeed(again)
    assert await usage(store, job) == 2


async def test_models_that_answered_for_another_one_are_those_of_the_items_and_of_the_job(store):
    job = await store.create(items=2)
    worker = await store.worker()
    first, second = await worker.lease_all()
    deferral = store.deferral_of(first, [0], delay_ms=0)
    deferral.deferrals[0].usage.CopyFrom(used_by("m-1", "m-2"))
    await worker.record(deferral)
    (first,) = await worker.lease_all()
    assert list(first.items[0].usage.answered_models) == ["m-1", "m-2"]
    await worker.record(store.record_of(first, output="1", usage=used_by("m-2")))
    await worker.record(store.record_of(second, output="1", usage=used_by("m-3", "m-4", "m-5")))
    shown = [list(result.usage.answered_models) for result in (await store.results(job.job_id)).results]
    assert shown == [["m-2"], ["m-3", "m-4", "m-5"]]
    assert (await store.get(job.job_id)).usage.answered_models == ["m-1", "m-2", "m-3", "m-4"]


def used_by(*models):
    return jobs_pb2.Usage(call_count=1, answered_models=models)
