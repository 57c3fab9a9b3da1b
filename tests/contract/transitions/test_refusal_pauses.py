"""A job whose first 20 finished items are all refused in the same way is paused."""

import asyncio

import pytest

from headrace.jobs.v1 import jobs_pb2

PAUSED, FAILED = jobs_pb2.JOB_STATE_PAUSED, jobs_pb2.JOB_STATE_FAILED
REFUSALS = jobs_pb2.PAUSE_REASON_REFUSALS
REFUSED = jobs_pb2.Error(
    reason="PROVIDER_REFUSED_INPUT", message="the provider refused the request", detail="policy: no ads"
)


def other(**fields: str) -> jobs_pb2.Error:
    error = jobs_pb2.Error()
    error.CopyFrom(REFUSED)
    for name, value in fields.items():
        setattr(error, name, value)
    return error


async def leased(store, items: int = 1_000, capacity: int = 1_000, **fields):
    """Returns a job, a worker, and its leases of the job, by the index of the first item."""
    job = await store.create(items=items, **fields)
    worker = await store.worker()
    leases = (await worker.lease(capacity=capacity)).leases
    return job, worker, sorted(leases, key=lambda lease: lease.items[0].item_index)


async def refuse(store, worker, lease, first: int = 0, count: int = 20, error=REFUSED):
    """Records refusals of items of a lease, by their place in it."""
    indexes = [item.item_index for item in lease.items[first : first + count]]
    return await worker.record(store.record_of(lease, indexes, error=error))


async def pause_reason(store, job) -> int:
    return (await store.get(job.job_id)).pause_reason


async def test_a_job_whose_first_20_items_are_refused_is_paused_with_the_providers_words(store):
    job, worker, (lease, *_) = await leased(store)
    before = await refuse(store, worker, lease, count=19)
    assert not before.outcomes[0].pause
    response = await refuse(store, worker, lease, first=19, count=1)
    assert (response.outcomes[0].pause, response.outcomes[0].stop) == (True, False)
    assert [notified.pause for notified in response.effects.workers_to_notify] == [True]
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason) == (PAUSED, REFUSALS)
    assert (paused.error.reason, paused.error.detail) == (REFUSED.reason, REFUSED.detail)
    assert REFUSED.message in paused.error.message
    assert not (await worker.lease()).leases


async def test_calls_in_flight_of_a_paused_job_are_recorded_and_do_not_fail_it(store):
    job, worker, leases = await leased(store, 100)
    await refuse(store, worker, leases[0], count=7)
    for lease in leases[1:10]:
        await refuse(store, worker, lease)
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason, paused.progress.failed_count) == (PAUSED, REFUSALS, 70)
    assert paused.error.reason == REFUSED.reason


async def test_the_items_of_all_workers_count_in_the_order_of_recording(store):
    job, worker, (lease, *_) = await leased(store, capacity=100)
    colleague = await store.worker()
    (second, *_) = (await colleague.lease(capacity=100)).leases
    await refuse(store, worker, lease, count=10)
    await refuse(store, colleague, second, count=9)
    assert await pause_reason(store, job) == 0
    await refuse(store, worker, lease, first=10, count=1)
    assert await pause_reason(store, job) == REFUSALS


async def test_of_two_workers_that_record_at_once_one_pauses_the_job(store):
    job, worker, (lease, *_) = await leased(store, capacity=100)
    colleague = await store.worker()
    (second, *_) = (await colleague.lease(capacity=100)).leases
    responses = await asyncio.gather(
        refuse(store, worker, lease, count=15), refuse(store, colleague, second, count=15)
    )
    assert sorted(response.outcomes[0].pause for response in responses) == [False, True]
    paused = await store.get(job.job_id)
    assert (paused.pause_reason, paused.progress.failed_count) == (REFUSALS, 30)


async def test_a_repeated_report_counts_once_and_does_not_pause_a_resumed_job_again(store):
    job, worker, (lease, *_) = await leased(store)
    for _ in range(3):
        await refuse(store, worker, lease, count=19)
    assert await pause_reason(store, job) == 0
    await refuse(store, worker, lease, count=20)
    assert await pause_reason(store, job) == REFUSALS
    seq = (await store.get(job.job_id)).seq
    await refuse(store, worker, lease, count=20)
    assert (await store.get(job.job_id)).seq == seq
    await store.resume(job.job_id)
    await refuse(store, worker, lease, count=20)
    assert await pause_reason(store, job) == 0


async def test_a_resumed_job_continues_without_the_error_and_is_not_paused_again(store):
    job, worker, (lease, *_) = await leased(store)
    await refuse(store, worker, lease)
    resumed = (await store.resume(job.job_id)).job
    assert (resumed.state, resumed.HasField("error")) == (jobs_pb2.JOB_STATE_RUNNING, False)
    await refuse(store, worker, lease, first=20)
    assert await pause_reason(store, job) == 0


async def test_a_resumed_job_fails_if_more_items_failed_meanwhile_than_it_allows(store):
    job, worker, (lease, *_) = await leased(store, 1_000, max_failed_ratio=0.03)
    await refuse(store, worker, lease)
    await refuse(store, worker, lease, first=20)
    assert (await store.get(job.job_id)).state == PAUSED
    resumed = (await store.resume(job.job_id)).job
    assert (resumed.error.reason, resumed.error.detail) == ("TOO_MANY_FAILED_ITEMS", "")


async def test_the_pause_comes_before_max_failed_ratio_is_applied(store):
    job, worker, (lease, *_) = await leased(store, 1_000, max_failed_ratio=0.01)
    await refuse(store, worker, lease, count=25)
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason) == (PAUSED, REFUSALS)


@pytest.mark.parametrize("first", [0, 7, 19])
async def test_a_job_with_a_success_is_never_paused(store, first):
    job, worker, (lease, *_) = await leased(store)
    if first:
        await refuse(store, worker, lease, count=first)
    await worker.record(store.record_of(lease, [lease.items[first].item_index], output='"done"'))
    await refuse(store, worker, lease, first=first + 1, count=60)
    assert await pause_reason(store, job) == 0


async def test_a_job_with_a_success_in_the_same_report_is_not_paused(store):
    job, worker, (lease, *_) = await leased(store)
    record = store.record_of(lease, [item.item_index for item in lease.items[:20]], error=REFUSED)
    record.MergeFrom(store.record_of(lease, [lease.items[20].item_index], output='"done"'))
    await worker.record(record)
    assert await pause_reason(store, job) == 0


@pytest.mark.parametrize(
    "error",
    [
        other(message="the model refused"),
        other(reason="OUTPUT_INVALID"),
        other(reason="PROVIDER_KEY_REFUSED"),
    ],
)
@pytest.mark.parametrize("place", [0, 10, 19])
async def test_different_failures_do_not_add_up(store, error, place):
    job, worker, (lease, *_) = await leased(store)
    for count in range(20):
        await refuse(store, worker, lease, first=count, count=1, error=error if count == place else REFUSED)
    await refuse(store, worker, lease, first=20)
    assert await pause_reason(store, job) == 0


async def test_different_details_of_one_refusal_are_the_same_refusal(store):
    job, worker, (lease, *_) = await leased(store)
    for count in range(20):
        await refuse(store, worker, lease, first=count, count=1, error=other(detail=f"flagged: {count}"))
    paused = await store.get(job.job_id)
    assert (paused.pause_reason, paused.error.detail) == (REFUSALS, "flagged: 19")


async def test_only_the_first_20_decide_if_a_report_holds_more(store):
    job, worker, (lease, *_) = await leased(store)
    await refuse(store, worker, lease, count=15)
    record = store.record_of(lease, [item.item_index for item in lease.items[15:20]], error=REFUSED)
    record.MergeFrom(store.record_of(lease, [lease.items[20].item_index], error=other(message="other")))
    await worker.record(record)
    assert await pause_reason(store, job) == REFUSALS


async def test_other_failures_than_refusals_pause_no_job(store):
    job, worker, (lease, *_) = await leased(store)
    await refuse(store, worker, lease, count=40, error=jobs_pb2.Error(reason="BAD", message="bad"))
    assert await pause_reason(store, job) == 0


@pytest.mark.parametrize("items", [1, 19, 20])
async def test_a_job_without_other_items_ends_by_its_items(store, items):
    job, worker, leases = await leased(store, items)
    await worker.record(*(store.record_of(lease, error=REFUSED) for lease in leases))
    ended = await store.get(job.job_id)
    assert (ended.state, ended.pause_reason) == (FAILED, 0)
    assert ended.error.reason == "TOO_MANY_FAILED_ITEMS"


async def test_a_paused_job_whose_calls_in_flight_finish_it_ends_by_its_items(store):
    job, worker, leases = await leased(store, 100)
    await worker.record(*(store.record_of(lease, error=REFUSED) for lease in leases[:3]))
    assert await pause_reason(store, job) == REFUSALS
    await worker.record(*(store.record_of(lease, error=REFUSED) for lease in leases[3:]))
    ended = await store.get(job.job_id)
    assert (ended.state, ended.error.reason, ended.error.detail) == (FAILED, "TOO_MANY_FAILED_ITEMS", "")


async def test_a_cancelled_job_is_not_paused_and_a_paused_one_ends_without_the_error(store):
    job, worker, (lease, *_) = await leased(store)
    await refuse(store, worker, lease, count=19)
    await store.cancel(job.job_id)
    response = await refuse(store, worker, lease, first=19)
    assert (response.outcomes[0].stop, response.outcomes[0].pause) == (True, False)
    assert await pause_reason(store, job) == 0
    job, worker, (lease, *_) = await leased(store)
    await refuse(store, worker, lease)
    cancelled = (await store.cancel(job.job_id)).job
    assert (cancelled.state, cancelled.HasField("error")) == (jobs_pb2.JOB_STATE_CANCELLING, False)


async def test_an_open_upload_is_paused_and_accepts_items_meanwhile(store):
    job = await store.open_upload()
    await store.append(job.job_id, items=30)
    worker = await store.worker()
    leases = await worker.lease_all()
    await worker.record(*(store.record_of(lease, error=REFUSED) for lease in leases))
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason, paused.progress.failed_count) == (PAUSED, REFUSALS, 30)
    await store.append(job.job_id, first=30, items=70)
    assert (await store.finish(job.job_id, 100)).job.state == PAUSED
    resumed = (await store.resume(job.job_id)).job
    assert (resumed.state, resumed.progress.total_count) == (jobs_pb2.JOB_STATE_RUNNING, 100)


async def test_a_retried_job_is_paused_again_by_the_first_items_of_its_round(store):
    job, worker, (lease, *_) = await leased(store)
    await refuse(store, worker, lease)
    await store.cancel(job.job_id)
    await worker.release(lease)
    await store.end_worker(worker, 1)
    await store.retry(job.job_id)
    worker = await store.worker()
    (lease, *_) = (await worker.lease()).leases
    await refuse(store, worker, lease, count=19)
    assert await pause_reason(store, job) == 0
    await refuse(store, worker, lease, first=19, count=1)
    assert await pause_reason(store, job) == REFUSALS


async def test_failures_that_a_retry_did_not_select_are_not_counted(store):
    job, worker, leases = await leased(store, 100)
    await worker.record(*(store.record_of(lease, error=REFUSED) for lease in leases[:3]))
    await store.cancel(job.job_id)
    await worker.release(*leases[3:])
    await store.retry(job.job_id, item_indexes=list(range(40, 80)))
    worker = await store.worker()
    leases = await worker.lease_all()
    other_error = other(message="the model refused")
    count = 0
    for lease in leases:
        for item in lease.items:
            assert await pause_reason(store, job) == (0 if count < 20 else REFUSALS)
            await worker.record(store.record_of(lease, [item.item_index], error=other_error))
            count += 1
    assert count == 40


async def test_a_pause_by_the_owner_turns_into_one_for_refusals(store):
    job, worker, (lease, *_) = await leased(store)
    await store.pause(job.job_id)
    await refuse(store, worker, lease)
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason, paused.error.reason) == (PAUSED, REFUSALS, REFUSED.reason)
    assert not (await store.resume(job.job_id)).job.HasField("error")
