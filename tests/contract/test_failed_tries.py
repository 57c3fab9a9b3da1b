"""Failed tries of items: kept over leases, shown with results, and bounded."""

import pytest
from google.protobuf.duration_pb2 import Duration

from headrace.jobs.v1 import jobs_pb2
from headrace.results.v1 import results_pb2 as pb


def failed_try(number, reason="PROVIDER_ERROR", message="it failed"):
    return jobs_pb2.FailedTry(try_number=number, error=jobs_pb2.Error(reason=reason, message=message))


async def leased(store, items=1):
    job = await store.create(items=items, max_failed_ratio=1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    return job, worker, lease


async def shown(store, job_id):
    """The failed tries of the first item: the same by page and in the order of recording."""
    by_page = (await store.results(job_id)).results[0].failed_tries
    assert (await store.recorded(job_id)).results[0].failed_tries == by_page
    return list(by_page)


async def test_a_result_shows_the_tries_that_failed_before_it(store):
    job, worker, lease = await leased(store)
    tries = [failed_try(1, "RATE_LIMITED", 'says "ä🙂"\n\0'), failed_try(2)]
    await worker.record(store.record_of(lease, output="1", try_count=3, failed_tries=tries))
    assert await shown(store, job.job_id) == tries


async def test_an_item_that_succeeds_at_once_has_none(store):
    job, worker, lease = await leased(store)
    await worker.succeed(lease)
    assert await shown(store, job.job_id) == []


async def test_the_last_one_of_a_failed_item_is_the_one_that_failed_it_whatever_the_worker_lists(store):
    job, worker, lease = await leased(store)
    error = jobs_pb2.Error(reason="BAD", message="no")
    listed = [failed_try(1)]
    await worker.record(store.record_of(lease, error=error, try_count=2, failed_tries=listed))
    assert await shown(store, job.job_id) == [failed_try(1), failed_try(2, "BAD", "no")]


async def test_an_output_that_cannot_be_stored_is_a_failed_try(store):
    job, worker, lease = await leased(store)
    await worker.record(store.record_of(lease, output='"\0"', try_count=2, failed_tries=[failed_try(1)]))
    tries = await shown(store, job.job_id)
    assert [(each.try_number, each.error.reason) for each in tries] == [
        (1, "PROVIDER_ERROR"),
        (2, "OUTPUT_REFUSED"),
    ]


async def test_the_next_worker_is_given_the_tries_and_the_time_worked_and_a_new_round_is_not(store):
    job, worker, lease = await leased(store)
    deferral = store.deferral_of(lease, [0], delay_ms=0, try_count=2)
    tries, work_time = [failed_try(1), failed_try(2, "RATE_LIMITED")], Duration(seconds=3, nanos=5_000)
    deferral.deferrals[0].failed_tries.extend(tries)
    deferral.deferrals[0].work_time.CopyFrom(work_time)
    await worker.record(deferral)
    other = await store.worker()
    (again,) = (await other.lease()).leases
    (item,) = again.items
    assert (list(item.failed_tries), item.work_time) == (tries, work_time)
    await other.fail(again)
    await store.retry(job.job_id)
    (fresh,) = (await other.lease()).leases
    assert not fresh.items[0].failed_tries
    assert not fresh.items[0].HasField("work_time")


async def test_ten_tries_with_short_messages_are_kept(store):
    job, worker, lease = await leased(store)
    tries = [failed_try(number, "R" * 200, "ä" * 5_000) for number in range(1, 31)]
    await worker.record(store.record_of(lease, output="1", try_count=31, failed_tries=tries))
    kept = await shown(store, job.job_id)
    assert [each.try_number for each in kept] == list(range(21, 31))
    assert {(len(each.error.reason), len(each.error.message)) for each in kept} == {(100, 300)}


async def test_pages_are_bounded_by_the_tries_that_they_show(store):
    job = await store.create(items=400, max_failed_ratio=1)
    worker = await store.worker()
    tries = [failed_try(number, "BAD", "🙂" * 300) for number in range(1, 11)]
    for lease in (await worker.lease()).leases:
        await worker.record(store.record_of(lease, output="1", try_count=11, failed_tries=tries))
    page = await store.results(job.job_id)
    assert page.more
    assert 0 < page.ByteSize() <= 1024 * 1024 + 20_000


@pytest.mark.parametrize("tried", [False, True])
async def test_a_worker_that_was_lost_is_a_try_of_its_own(store, tried):
    job, worker, lease = await leased(store)
    deferral = store.deferral_of(lease, [0], delay_ms=0, try_count=2)
    deferral.deferrals[0].failed_tries.append(failed_try(2))
    await (worker.record(deferral) if tried else worker.release(lease))
    result = None
    for _ in range(20):
        worker = await store.worker()
        await worker.lease()
        store.advance(6)
        await store.end_worker(worker, pb.EndWorkerRequest.CAUSE_PORT_CLOSED)
        if (await store.get(job.job_id)).progress.failed_count:
            (result,) = (await store.results(job.job_id)).results
            break
    assert result is not None
    number = 3 if tried else 1
    assert result.try_count == number
    assert result.failed_tries[-1] == jobs_pb2.FailedTry(try_number=number, error=result.error)
    assert result.error.reason == "WORKER_LOST"
    assert len(result.failed_tries) == 1 + tried
