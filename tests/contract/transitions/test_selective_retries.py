"""Retries of selected items: the others count as failed in the new round, with a result that is shown."""

from itertools import chain

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb

FAILED, SUCCEEDED = jobs_pb2.ITEM_STATE_FAILED, jobs_pb2.ITEM_STATE_SUCCEEDED
NOT_SELECTED = "ITEM_NOT_SELECTED"


async def ended_job(store, **reasons):
    """Ends a job of a chunk an item: item 0 succeeds, item 1 fails for BAD, 2 and 3 for WORSE."""
    job = await store.create(items=4, max_failed_ratio=1)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.succeed(leases[0])
    for lease, reason in zip(leases[1:], ("BAD", "WORSE", "WORSE"), strict=True):
        error = jobs_pb2.Error(reason=reason, message="it did not work", detail="no such label")
        await worker.record(store.record_of(lease, error=error, attempt_count=2))
    return await store.get(job.job_id), worker


async def items_run(worker):
    return [item.item_index for lease in await worker.lease_all() for item in lease.items]


def counts(job):
    progress = job.progress
    return progress.succeeded_count, progress.failed_count, progress.cancelled_count


async def shown(store, job_id):
    """Returns the results of a job by index, which are equal in both kinds of pages."""
    by_index = list((await store.results(job_id)).results)
    recorded = sorted((await store.recorded(job_id)).results, key=lambda result: result.item_index)
    assert recorded == by_index
    return {result.item_index: result for result in by_index}


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"reasons": ["BAD"]}, [1]),
        ({"reasons": ["WORSE"]}, [2, 3]),
        ({"reasons": ["BAD", "WORSE", "OTHER"]}, [1, 2, 3]),
        ({"item_indexes": [3]}, [3]),
        ({"item_indexes": [0, 1, 99, -5, 1]}, [1]),
        ({"reasons": ["BAD"], "item_indexes": [2, 1]}, [1, 2]),
    ],
)
async def test_only_selected_items_run_and_the_others_keep_their_failures(store, selection, chosen):
    job, worker = await ended_job(store)
    before = await shown(store, job.job_id)
    response = await store.retry(job.job_id, **selection)
    assert response.job.seq == job.seq + 1
    assert response.job.state == jobs_pb2.JOB_STATE_RUNNING
    assert counts(response.job) == (1, 3 - len(chosen), 0)
    assert response.job.usage == job.usage
    assert [task.count for task in response.effects.tasks_to_publish] == [min(len(chosen), 2)]
    kept = {index: result for index, result in before.items() if index not in chosen}
    assert await shown(store, job.job_id) == kept
    leases = await worker.lease_all()
    assert sorted(item.item_index for lease in leases for item in lease.items) == chosen
    assert {lease.round for lease in leases} == {2}
    await worker.succeed(*leases)
    done = await store.get(job.job_id)
    assert done.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert counts(done) == (1 + len(chosen), 3 - len(chosen), 0)
    assert done.usage.call_count == job.usage.call_count + len(chosen)
    results = await shown(store, job.job_id)
    assert {index: results[index] for index in kept} == kept
    assert [results[index].state for index in chosen] == [SUCCEEDED] * len(chosen)


@pytest.mark.parametrize("selection", [{"reasons": ["OTHER"]}, {"item_indexes": [0, 4, 99, -1]}])
async def test_a_job_of_which_nothing_is_selected_is_returned_unchanged(store, selection):
    job, _ = await ended_job(store)
    response = await store.retry(job.job_id, **selection)
    assert response == pb.RetryJobResponse(job=job)
    assert (await store.retry(job.job_id, reasons=["BAD"])).job.state == jobs_pb2.JOB_STATE_RUNNING


async def test_a_repeated_retry_with_another_selection_changes_nothing(store):
    job, worker = await ended_job(store)
    first = (await store.retry(job.job_id, "a", reasons=["BAD"])).job
    assert (await store.retry(job.job_id, "a", reasons=["WORSE"])).job == first
    leases = await worker.lease_all()
    assert [item.item_index for lease in leases for item in lease.items] == [1]
    await store.cancel(job.job_id)
    await worker.release(*leases)
    ended = await store.get(job.job_id)
    assert ended.state == jobs_pb2.JOB_STATE_CANCELLED
    assert (await store.retry(job.job_id, "a", reasons=["WORSE"])).job == ended


async def test_failures_are_kept_over_several_rounds(store):
    job, worker = await ended_job(store)
    before = await shown(store, job.job_id)
    for number in range(3):
        await store.retry(job.job_id, str(number), reasons=["BAD"])
        error = jobs_pb2.Error(reason="BAD", message=str(number))
        await worker.record(store.record_of((await worker.lease_all())[0], error=error))
    results = await shown(store, job.job_id)
    assert {index: results[index] for index in (0, 2, 3)} == {index: before[index] for index in (0, 2, 3)}
    assert results[1].error.message == "2"
    assert counts(await store.get(job.job_id)) == (1, 3, 0)
    assert counts((await store.retry(job.job_id, "all")).job) == (1, 0, 0)
    assert sorted(await items_run(worker)) == [1, 2, 3]


async def test_a_reader_gets_a_kept_failure_once(store):
    job, worker = await ended_job(store)
    first_page = await store.recorded(job.job_id, page_size=2)
    all_read = (await store.recorded(job.job_id)).next
    await store.retry(job.job_id, reasons=["WORSE"], item_indexes=[])
    leases = await worker.lease_all()
    await worker.succeed(*leases)
    later = (await store.recorded(job.job_id, all_read)).results
    assert [(result.item_index, result.state) for result in later] == [(2, SUCCEEDED), (3, SUCCEEDED)]
    rest = (await store.recorded(job.job_id, first_page.next)).results
    assert [result.item_index for result in chain(first_page.results, rest)] == [0, 1, 2, 3]


async def test_kept_failures_fail_the_job_at_its_end_only(store):
    job = await store.create(items=4, max_failed_ratio=0.4)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.fail(leases[0], leases[1], leases[2], reason="BAD")
    await worker.fail(leases[3], reason="WORSE")
    assert counts(await store.get(job.job_id)) == (0, 4, 0)
    running = (await store.retry(job.job_id, reasons=["WORSE"])).job
    assert running.state == jobs_pb2.JOB_STATE_RUNNING
    assert not running.HasField("error")
    await worker.succeed(*await worker.lease_all())
    done = await store.get(job.job_id)
    assert (done.state, counts(done)) == (jobs_pb2.JOB_STATE_FAILED, (1, 3, 0))
    assert done.error.reason == "TOO_MANY_FAILED_ITEMS"
    assert done.error.message.startswith("3 of 4 items failed")


async def test_new_failures_beyond_the_ratio_stop_a_round_of_selected_items(store):
    job = await store.create(items=6, max_failed_ratio=0.5)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.fail(*leases[:2], reason="BAD")
    await worker.fail(*leases[2:], reason="WORSE")
    await store.retry(job.job_id, reasons=["WORSE"])
    again = await worker.lease_all()
    await worker.fail(*again[:2], reason="WORSE")
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING
    await worker.fail(again[2], reason="WORSE")
    stopping = await store.get(job.job_id)
    assert stopping.state == jobs_pb2.JOB_STATE_CANCELLING
    assert stopping.error.message.startswith("3 of 4 items failed")


@pytest.mark.parametrize("items", [3, 50])
async def test_items_that_a_cancel_left_over_are_selected_by_their_index_only(store, items):
    job = await store.create(items=items, max_failed_ratio=1)
    worker = await store.worker()
    (first, *_) = leases = await worker.lease_all()
    await worker.record(store.record_of(first, [0], error=jobs_pb2.Error(reason="BAD")))
    await store.cancel(job.job_id)
    await worker.release(*leases)
    cancelled = await store.get(job.job_id)
    assert counts(cancelled) == (0, 1, items - 1)
    assert (await store.retry(job.job_id, "a", reasons=[NOT_SELECTED])).job == cancelled
    response = await store.retry(job.job_id, "b", reasons=["BAD"], item_indexes=[2])
    assert counts(response.job) == (0, items - 2, 0)
    left_over = await shown(store, job.job_id)
    assert sorted(left_over) == [1, *range(3, items)]
    assert {result.error.reason for result in left_over.values()} == {NOT_SELECTED}
    assert left_over[1].attempt_count == 0
    assert left_over[1].HasField("finish_time")
    leases = await worker.lease_all()
    assert sorted(item.item_index for lease in leases for item in lease.items) == [0, 2]
    await worker.succeed(*leases)
    done = await store.get(job.job_id)
    assert (done.state, counts(done)) == (jobs_pb2.JOB_STATE_SUCCEEDED, (2, items - 2, 0))
    again = await store.retry(job.job_id, "c", reasons=[NOT_SELECTED])
    assert counts(again.job) == (2, 0, 0)
    assert sorted(await items_run(worker)) == [1, *range(3, items)]


async def test_a_late_success_of_a_kept_failure_is_ignored(store):
    job, worker = await ended_job(store)
    await store.retry(job.job_id, reasons=["BAD"])
    (lease,) = await worker.lease_all()
    record = store.record_of(lease, output="1")
    record.items[0].item_index = 2
    await worker.record(record)
    assert counts(await store.get(job.job_id)) == (1, 2, 0)
    assert (await shown(store, job.job_id))[2].state == FAILED


async def test_an_upload_that_expired_is_closed_by_a_retry_of_some_items(store):
    job = await store.open_upload(max_failed_ratio=1)
    await store.append(job.job_id, items=3)
    store.advance(3601)
    await store.sweep()
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_EXPIRED
    retried = (await store.retry(job.job_id, item_indexes=[1])).job
    assert (retried.state, counts(retried)) == (jobs_pb2.JOB_STATE_PENDING, (0, 2, 0))
    worker = await store.worker()
    await worker.succeed(*await worker.lease_all())
    assert counts(await store.get(job.job_id)) == (1, 2, 0)
