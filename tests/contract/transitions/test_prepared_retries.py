"""A retry of selected items of a large job is prepared in parts, by sweeps."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.results.rows import carried_failures
from services.results.transitions import sweep as sweeping

PENDING_STATES = (jobs_pb2.JOB_STATE_PENDING, jobs_pb2.JOB_STATE_RUNNING)
ITEMS = 20


@pytest.fixture(autouse=True)
def large_from_7_items(monkeypatch):
    monkeypatch.setattr(carried_failures, "MAX_CARRIED_ITEMS", 6)
    monkeypatch.setattr(sweeping, "PREPARE_SECONDS", 0)  # One part a sweep.


async def ended_job(store, failing=ITEMS):
    """Ends a job whose first items fail, each tenth of them for RARE. The others have no result."""
    job = await store.create(items=ITEMS, max_failed_ratio=1)
    worker = await store.worker()
    leases = sorted(await worker.lease_all(), key=lambda lease: lease.items[0].item_index)
    for lease in leases:
        for item in lease.items:
            if item.item_index < failing:
                reason = "RARE" if item.item_index % 10 == 0 else "BAD"
                error = jobs_pb2.Error(reason=reason, message=str(item.item_index), detail="words")
                await worker.record(store.record_of(lease, [item.item_index], error=error))
    if failing < ITEMS:
        await store.cancel(job.job_id)
        await worker.release(*leases)
    return await store.get(job.job_id), worker


async def shown(store, job_id):
    return {result.item_index: result for result in (await store.results(job_id)).results}


async def items_run(worker):
    return sorted(item.item_index for lease in await worker.lease_all() for item in lease.items)


async def prepare(store, parts=4):
    return [await store.sweep() for _ in range(parts)]


async def test_the_job_is_live_at_once_and_nothing_runs_before_it_is_prepared(store):
    job, worker = await ended_job(store)
    before = await shown(store, job.job_id)
    response = await store.retry(job.job_id, reasons=["RARE"])
    assert response.job.state in PENDING_STATES
    assert not response.job.HasField("error")
    assert not response.job.HasField("finish_time")
    assert not response.effects.tasks_to_publish
    for _ in range(3):
        await store.sweep()
        assert await shown(store, job.job_id) == before
        assert not await worker.lease_all()
        assert (await store.get(job.job_id)).progress == job.progress
    effects = (await store.sweep()).effects
    assert [task.count for task in effects.tasks_to_publish] == [2]
    assert [changed.progress.failed_count for changed in effects.changed_jobs] == [18]
    kept = {index: result for index, result in before.items() if index % 10}
    assert await shown(store, job.job_id) == kept
    leases = await worker.lease_all()
    assert sorted(item.item_index for lease in leases for item in lease.items) == [0, 10]
    await worker.succeed(*leases)
    done = await store.get(job.job_id)
    assert (done.state, done.progress.succeeded_count) == (jobs_pb2.JOB_STATE_SUCCEEDED, 2)
    assert done.usage.call_count == job.usage.call_count + 2


async def test_items_without_a_result_that_are_not_selected_fail(store):
    job, worker = await ended_job(store, failing=9)
    await store.retry(job.job_id, reasons=["RARE"], item_indexes=[19])
    assert not await worker.lease_all()
    await prepare(store)
    results = await shown(store, job.job_id)
    assert sorted(results) == list(range(1, 19))
    assert {results[index].error.reason for index in range(9, 19)} == {"ITEM_NOT_SELECTED"}
    assert await items_run(worker) == [0, 19]


async def test_a_reader_in_the_order_of_recording_gets_each_failure_once(store):
    job, worker = await ended_job(store, failing=9)
    first_page = await store.recorded(job.job_id, page_size=4)
    await store.retry(job.job_id, reasons=["RARE"])
    await store.sweep()
    rest = await store.recorded(job.job_id, first_page.next)
    assert [result.item_index for result in (*first_page.results, *rest.results)] == list(range(9))
    await prepare(store, parts=3)
    later = await store.recorded(job.job_id, rest.next)
    assert [result.item_index for result in later.results] == list(range(9, ITEMS))
    await worker.succeed(*await worker.lease_all())
    last = await store.recorded(job.job_id, later.next)
    assert [result.item_index for result in last.results] == [0]


async def test_a_repeated_retry_changes_nothing(store):
    job, worker = await ended_job(store)
    first = (await store.retry(job.job_id, "a", reasons=["RARE"])).job
    assert (await store.retry(job.job_id, "a", reasons=["RARE"])).job == first
    await store.sweep()
    assert (await store.retry(job.job_id, "b", reasons=["BAD"])).job == first
    await prepare(store, parts=3)
    assert await items_run(worker) == [0, 10]


@pytest.mark.parametrize("parts", [0, 1, 3])
async def test_a_job_that_is_cancelled_meanwhile_keeps_its_results_and_can_be_retried(store, parts):
    job, worker = await ended_job(store, failing=9)
    before = await shown(store, job.job_id)
    await store.retry(job.job_id, "a", reasons=["RARE"])
    await prepare(store, parts)
    cancelled = (await store.cancel(job.job_id)).job
    assert cancelled.state == jobs_pb2.JOB_STATE_CANCELLED
    await prepare(store)
    assert await shown(store, job.job_id) == before
    await store.retry(job.job_id, "b", reasons=["BAD"])
    await prepare(store)
    assert await items_run(worker) == list(range(1, 9))
    results = await shown(store, job.job_id)
    assert results[0] == before[0]
    assert sorted(results) == [0, *range(9, ITEMS)]


async def test_a_cancelled_preparation_does_not_disturb_a_retry_of_all_items(store):
    job, worker = await ended_job(store)
    await store.retry(job.job_id, "a", reasons=["RARE"])
    await prepare(store, 2)
    await store.cancel(job.job_id)
    assert (await store.retry(job.job_id, "b")).job.progress.failed_count == 0
    assert await items_run(worker) == list(range(ITEMS))


async def test_a_paused_job_is_prepared_and_stays_paused(store):
    job, worker = await ended_job(store)
    await store.retry(job.job_id, reasons=["RARE"])
    await store.sweep()
    assert (await store.pause(job.job_id)).job.state == jobs_pb2.JOB_STATE_PAUSED
    await prepare(store)
    assert not await worker.lease_all()
    assert (await store.resume(job.job_id)).job.progress.failed_count == 18
    assert await items_run(worker) == [0, 10]


@pytest.mark.parametrize("parts", [0, 2, 3])
async def test_a_late_success_of_an_item_without_a_result_counts_once(store, parts):
    job = await store.create(items=ITEMS, max_failed_ratio=1)
    worker = await store.worker()
    leases = await worker.lease_all()
    late = max(leases, key=lambda lease: lease.items[0].item_index)
    await worker.record(store.record_of(leases[0], [0], error=jobs_pb2.Error(reason="BAD")))
    await store.cancel(job.job_id)
    await worker.release(*leases)
    await store.retry(job.job_id, reasons=["BAD"])
    await prepare(store, parts)
    await worker.succeed(late)
    await prepare(store)
    ended = await store.get(job.job_id)
    failed_count, succeeded_count = ended.progress.failed_count, ended.progress.succeeded_count
    assert failed_count + succeeded_count == len(await shown(store, job.job_id)) == ITEMS - 1
    assert await items_run(worker) == [0]


async def test_a_retry_of_all_items_is_never_prepared(store):
    job, worker = await ended_job(store)
    response = await store.retry(job.job_id)
    assert response.job.progress.failed_count == 0
    assert await items_run(worker) == list(range(ITEMS))
