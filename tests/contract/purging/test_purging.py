"""Purging of finished jobs and of their rows."""

import asyncio

import grpc
import pytest
from prometheus_client import REGISTRY

from headrace.jobs.v1 import jobs_pb2
from services.results.purging import purge_rows as rows_step
from services.stubs.results.v1 import results_pb2 as pb

SUCCEEDED = jobs_pb2.JOB_STATE_SUCCEEDED
HOUR = 3600


async def finished_job(store, items=1, **fields):
    """Returns a job whose items have all succeeded."""
    worker = await store.worker()
    job = await store.create(items=items, **fields)
    while leases := (await worker.lease()).leases:
        await worker.succeed(*leases)
    assert (await store.get(job.job_id)).state == SUCCEEDED
    return job


async def not_found(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_finished_job_is_purged_after_its_retention_and_not_before(store):
    job = await finished_job(store, items=30)
    store.advance(HOUR - 60)
    await store.purge()
    assert (await store.get(job.job_id)).state == SUCCEEDED
    assert len((await store.results(job.job_id)).results) == 30
    store.advance(120)
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


async def test_unfinished_jobs_are_never_purged_however_old_they_are(store):
    worker = await store.worker()
    waiting, running = await store.create(items=2), await store.create(items=2, max_parallelism=1)
    upload, scheduled = await store.open_upload(), await store.create(items=1)
    await store.pause(scheduled.job_id)
    leases = (await worker.lease(capacity=3)).leases
    cancelling = await store.cancel(leases[0].ref.job_id)
    assert cancelling.job.state == jobs_pb2.JOB_STATE_CANCELLING
    before = await store.count_rows()
    store.advance(1000 * HOUR)
    await store.purge()
    assert await store.count_rows() == before
    for job in (waiting, running, upload, scheduled):
        await store.get(job.job_id)


async def test_a_purged_job_is_gone_for_all_readers_and_writers_before_its_rows_are(store):
    worker = await store.worker()
    job = await store.create(items=1)
    leases = (await worker.lease()).leases
    await worker.fail(*leases)
    store.advance(2 * HOUR)
    await store.purger().purge_jobs()
    assert (await store.count_rows("results", "chunks")) == {"results": 1, "chunks": 1}
    page = await store.stub.ListJobs(pb.ListJobsRequest(tenant="default", page_size=10))
    assert not page.jobs
    for call in (store.results, store.recorded, store.cancel, store.pause, store.resume, store.retry):
        assert await not_found(call(job.job_id))
    assert await not_found(store.append(job.job_id, items=1))
    late = await worker.succeed(*leases)
    assert late.outcomes[0].lost
    assert not late.effects.changed_jobs
    assert (await store.count_rows("results"))["results"] == 1


async def test_the_request_id_of_a_purged_job_is_free_for_another_one(store):
    first = await finished_job(store, request_id="nightly")
    store.advance(2 * HOUR)
    await store.purger().purge_jobs()
    second = await store.create(items=3, request_id="nightly", content_hash=b"other")
    assert second.job_id != first.job_id
    await store.purge()
    assert (await store.results(second.job_id)).results == []
    assert (await store.count_rows("chunks", job_id=second.job_id))["chunks"] == 3


async def test_rows_stay_until_the_next_run_so_that_a_page_being_read_is_complete(store):
    await finished_job(store, items=5)
    store.advance(2 * HOUR)
    purger = store.purger()
    await purger.purge_jobs()
    await purger.purge_rows()
    assert (await store.count_rows("results", "purges")) == {"results": 5, "purges": 1}
    await purger.purge_rows()
    assert (await store.count_rows("results", "purges")) == {"results": 0, "purges": 0}


async def test_all_rows_of_a_job_are_purged_and_none_of_another(store):
    worker = await store.worker()
    other = await finished_job(store, items=40)
    keys = [f"key-{index}" for index in range(40)]
    named = {"name": "n", "labels": {"a": "b", "c": "d"}}
    job = await store.create(items=40, item_keys=keys, max_failed_ratio=1.0, **named)
    first = (await worker.lease()).leases
    await worker.record(store.deferral_of(first[0], [0, 1], delay_ms=60_000), store.release_of(first[1]))
    await worker.fail(*first[2:])
    await store.cancel(job.job_id)
    await store.retry(job.job_id)
    again = (await worker.lease()).leases
    await worker.fail(*again[:3])
    await worker.record(store.deferral_of(again[3], [again[3].items[0].item_index], delay_ms=60_000))
    await store.cancel(job.job_id)
    await worker.release(*again[4:])
    rows = await store.count_rows(job_id=job.job_id)
    assert all(count for table, count in rows.items() if table != "purges"), rows
    store.advance(2 * HOUR)
    unfinished = await store.create(items=7)
    await store.change(other.job_id, finish_time=None)
    others = await store.count_rows(job_id=other.job_id)
    await store.purge()
    assert not any((await store.count_rows(job_id=job.job_id)).values())
    assert await store.count_rows(job_id=other.job_id) == others
    assert len((await store.results(other.job_id)).results) == 40
    assert (await store.count_rows("item_blocks", job_id=unfinished.job_id))["item_blocks"] == 7


async def test_a_large_job_is_purged_in_transactions_of_bounded_rows(store, monkeypatch):
    monkeypatch.setattr(rows_step, "MAX_ROWS_PER_TRANSACTION", 40)
    await finished_job(store, items=500)
    await finished_job(store, items=3)
    store.advance(2 * HOUR)
    purger = store.purger()
    await purger.purge_jobs()
    await purger.purge_rows()
    positions = dict.fromkeys(await rows_step.list_purges(store.database, 10), rows_step.Position())
    rows = ("results", "item_blocks", "chunks", "item_attempts")
    count = sum((await store.count_rows(*rows)).values())
    transactions = 0
    while positions:
        moved = await rows_step.purge_rows(store.database, positions)
        assert moved
        positions = {job_id: moved.get(job_id, position) for job_id, position in positions.items()}
        positions = {job_id: position for job_id, position in positions.items() if position is not None}
        before, count = count, sum((await store.count_rows(*rows)).values())
        assert before - count <= 2 * 40, "a block is one row for many items"
        transactions += 1
    assert count == 0
    assert transactions > 503 / 40


async def test_large_outputs_are_purged_in_transactions_of_bounded_bytes(store, monkeypatch):
    monkeypatch.setattr(rows_step, "MAX_BYTES_PER_TRANSACTION", 10_000)
    worker = await store.worker()
    job = await store.create(items=60)
    for lease in (await worker.lease()).leases:
        await worker.record(store.record_of(lease, output=f'"{"x" * 4_000}"'))
    store.advance(2 * HOUR)
    await store.purger().purge_jobs()
    moved = await rows_step.purge_rows(store.database, {job.job_id: rows_step.Position()})
    assert moved == {job.job_id: rows_step.Position(item_index=3)}
    assert (await store.count_rows("results"))["results"] == 57


async def test_an_item_over_the_byte_limit_of_a_transaction_is_purged_alone(store, monkeypatch):
    monkeypatch.setattr(rows_step, "MAX_BYTES_PER_TRANSACTION", 10)
    await finished_job(store, items=[f'"{"x" * 100}"'] * 20)
    store.advance(2 * HOUR)
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


@pytest.mark.parametrize("transaction_count", [1, 50, 51])  # Within the items, after them, within the chunks.
async def test_an_interrupted_purge_is_completed_by_another_purger(store, monkeypatch, transaction_count):
    monkeypatch.setattr(rows_step, "MAX_ROWS_PER_TRANSACTION", 10)
    job = await finished_job(store, items=500)
    store.advance(2 * HOUR)
    await store.purger().purge_jobs()
    positions = {job.job_id: rows_step.Position()}
    for _ in range(transaction_count):
        positions = await rows_step.purge_rows(store.database, positions)
    left = await store.count_rows("results", "chunks")
    assert left == {
        "results": 500 - 10 * min(transaction_count, 50),
        "chunks": 6 if transaction_count > 50 else 16,
    }
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


async def test_concurrent_purgers_of_the_same_jobs_leave_nothing_and_count_each_job_once(store):
    counted = REGISTRY.get_sample_value("headrace_jobs_purged_total")
    worker = await store.worker()
    jobs = [store.new_job(items=20) for _ in range(250)]
    await store.create_all(*jobs)
    while leases := (await worker.lease()).leases:
        await worker.succeed(*leases)
        await worker.beat()  # 5,000 items may take a busy machine longer than a silent worker stays live
    store.advance(2 * HOUR)
    purgers = [store.purger() for _ in range(3)]
    await asyncio.gather(*(purger.purge_jobs() for purger in purgers))
    assert REGISTRY.get_sample_value("headrace_jobs_purged_total") == counted + 250
    assert (await store.count_rows("jobs", "job_progress", "purges")) == {
        "jobs": 0,
        "job_progress": 0,
        "purges": 250,
    }
    for _ in range(3):
        await asyncio.gather(*(purger.purge_rows() for purger in purgers))
    assert set((await store.count_rows()).values()) == {0}


async def test_a_retry_and_a_purge_of_a_job_never_both_win(store):
    worker = await store.worker()
    jobs = [await store.create(items=1) for _ in range(30)]
    await worker.fail(*(await worker.lease()).leases)
    store.advance(2 * HOUR)
    retries = [store.retry(job.job_id) for job in jobs]
    purger = store.purger()
    responses = await asyncio.gather(
        *retries[:15], purger.purge_jobs(), *retries[15:], return_exceptions=True
    )
    responses.pop(15)
    for job, response in zip(jobs, responses, strict=True):
        rows = await store.count_rows("jobs", "job_progress", "purges", job_id=job.job_id)
        if isinstance(response, grpc.aio.AioRpcError):
            assert response.code() == grpc.StatusCode.NOT_FOUND
            assert rows == {"jobs": 0, "job_progress": 0, "purges": 1}
        else:
            assert not response.job.HasField("finish_time")
            assert rows == {"jobs": 1, "job_progress": 1, "purges": 0}


async def test_a_retried_job_is_not_purged_until_the_retention_after_its_new_end(store):
    worker = await store.worker()
    job = await store.create(items=1)
    await worker.fail(*(await worker.lease()).leases)
    store.advance(2 * HOUR)
    await store.retry(job.job_id)
    await store.purge()
    await worker.beat()
    await worker.succeed(*(await worker.lease()).leases)
    await store.purge()
    assert (await store.get(job.job_id)).state == SUCCEEDED
    store.advance(2 * HOUR)
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


async def test_nothing_is_purged_without_a_retention(store):
    job = await store.create()
    await store.cancel(job.job_id)
    store.advance(366 * 86_400)
    await store.purge(retention_hours=0)
    assert await store.get(job.job_id)
