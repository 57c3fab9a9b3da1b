"""Results in the order of their recording."""

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from services.results.pages import recorded_results
from services.stubs.results.v1 import results_pb2 as pb

SUCCEEDED, FAILED = jobs_pb2.ITEM_STATE_SUCCEEDED, jobs_pb2.ITEM_STATE_FAILED


class Reader:
    """Reads page by page from its place, as a stream of results does."""

    def __init__(self, store, job_id, **query):
        self.store = store
        self.job_id = job_id
        self.query = query
        self.place = None
        self.page_sizes = []
        self.job = None

    async def read(self):
        """Reads the new results. Checks that places never go back, nor stand still while there is more."""
        results, more = [], True
        while more:
            page = await self.store.recorded(self.job_id, self.place, **self.query)
            before, after = self.place or pb.RecordPosition(), page.next
            assert (after.seq, after.item_index) >= (before.seq, before.item_index)
            assert after != before or not page.has_more
            self.page_sizes.append(len(page.results))
            results += page.results
            self.place, more, self.job = page.next, page.has_more, page.job
        return results

    async def read_indexes(self):
        return [result.item_index for result in await self.read()]


async def leased_job(store, items, **fields):
    """Leases all chunks of a new job: as many chunks as items, up to 16."""
    job = await store.create(items=items, **fields)
    worker = await store.worker()
    return job, worker, (await worker.lease()).leases


async def test_results_come_in_the_order_of_their_recording(store):
    job, worker, leases = await leased_job(store, 6)
    for part in (leases[4:6], leases[0:1], leases[2:4], leases[1:2]):
        await worker.succeed(*part)
    for page_size in (1, 2, 4, 1_000):
        reader = Reader(store, job.job_id, page_size=page_size)
        results = await reader.read()
        assert [result.item_index for result in results] == [4, 5, 0, 2, 3, 1]
        assert max(reader.page_sizes) <= page_size
        assert {(result.state, result.output, result.attempt_count) for result in results} == {
            (SUCCEEDED, '"done"', 1)
        }
        assert reader.job == await store.get(job.job_id)


async def test_a_reader_gets_each_result_once_while_more_are_recorded(store):
    job, worker, leases = await leased_job(store, 10)
    reader = Reader(store, job.job_id, page_size=2)
    assert await reader.read() == []
    seen = []
    for first in (4, 0, 7):
        await worker.succeed(*leases[first : first + 4])
        seen += await reader.read_indexes()
        assert await reader.read() == []
    assert seen == [4, 5, 6, 7, 0, 1, 2, 3, 8, 9]
    assert reader.job.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_without_more_everything_that_the_snapshot_counts_was_read(store):
    job, worker, leases = await leased_job(store, 4)
    await worker.succeed(leases[3])
    page = await store.recorded(job.job_id)
    assert (page.job.progress.succeeded_count, len(page.results), page.has_more) == (1, 1, False)
    assert page.next.seq == page.job.seq
    await worker.succeed(leases[0])
    page = await store.recorded(job.job_id, page.next)
    assert [result.item_index for result in page.results] == [0]
    assert page.job.progress.succeeded_count == 2


async def test_a_page_is_bounded_by_the_snapshot_that_was_read_before_it(store, monkeypatch):
    job, worker, leases = await leased_job(store, 3)
    await worker.succeed(leases[2])
    read_newer = recorded_results.job_rows.read_newer

    async def read_and_be_overtaken(*arguments):
        found = await read_newer(*arguments)
        await worker.succeed(leases[0])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(recorded_results.job_rows, "read_newer", read_and_be_overtaken)
        page = await store.recorded(job.job_id)
    assert [result.item_index for result in page.results] == [2]
    assert page.job.progress.succeeded_count == 1
    assert [result.item_index for result in (await store.recorded(job.job_id, page.next)).results] == [0]


async def test_a_page_of_recorded_results_ends_at_1_mb_and_has_at_least_one(store):
    job, worker, leases = await leased_job(store, 4)
    large, medium = '"' + "x" * 2_000_000 + '"', '"' + "\u00e9" * 300_000 + '"'
    for lease, output in zip(leases, [large, medium, medium, large], strict=True):
        await worker.record(store.record_of(lease, output=output))
    reader = Reader(store, job.job_id)
    assert [len(result.output) for result in await reader.read()] == [2_000_002, 300_002, 300_002, 2_000_002]
    assert reader.page_sizes == [1, 1, 1, 1]


async def test_a_page_of_recorded_failures_ends_at_1_mb_of_messages(store):
    job, worker, leases = await leased_job(store, 400, max_failed_ratio=1.0)
    error = jobs_pb2.Error(reason="BAD", message="\u00e9" * 4_000)
    for lease in leases:
        await worker.record(store.record_of(lease, error=error))
    page = await store.recorded(job.job_id)
    assert page.has_more
    assert page.ByteSize() < 1_200_000
    assert len(await Reader(store, job.job_id).read()) == 400


async def test_a_reader_of_one_state_gets_no_other_and_skips_nothing_later(store):
    job, worker, leases = await leased_job(store, 6, max_failed_ratio=1.0)
    failures = Reader(store, job.job_id, item_state=FAILED, page_size=1)
    successes = Reader(store, job.job_id, item_state=SUCCEEDED, page_size=1)
    await worker.succeed(leases[0], leases[1])
    assert (await failures.read(), await successes.read_indexes()) == ([], [0, 1])
    await worker.fail(leases[5])
    await worker.succeed(leases[3])
    await worker.fail(leases[4])
    assert (await failures.read_indexes(), await successes.read_indexes()) == ([5, 4], [3])
    assert (await failures.read(), await successes.read()) == ([], [])
    await worker.fail(leases[2])
    assert [(r.item_index, r.error.reason) for r in await failures.read()] == [(2, "BAD")]


async def test_failures_of_an_older_round_are_not_read(store):
    job, worker, leases = await leased_job(store, 4, max_failed_ratio=0.7)
    early, late = Reader(store, job.job_id), Reader(store, job.job_id, page_size=1)
    await worker.fail(leases[0], leases[1])
    await worker.succeed(leases[2])
    assert await early.read_indexes() == [0, 1, 2]
    await worker.fail(leases[3])
    await store.retry(job.job_id)
    assert await early.read() == []
    again = (await worker.lease()).leases
    await worker.succeed(again[2])
    await worker.fail(again[0])
    await worker.succeed(again[1])
    assert [(r.item_index, r.state) for r in await early.read()] == [
        (3, SUCCEEDED),
        (0, FAILED),
        (1, SUCCEEDED),
    ]
    assert await late.read_indexes() == [2, 3, 0, 1]


async def test_a_page_reads_a_bounded_number_of_rows(store, monkeypatch):
    monkeypatch.setattr(recorded_results, "MAX_ROWS_READ", 3)
    job, worker, leases = await leased_job(store, 10, max_failed_ratio=1.0)
    for index in (7, 0, 1, 2, 3, 4, 5, 6):
        await (worker.fail if index in (0, 6) else worker.succeed)(leases[index])
    reader = Reader(store, job.job_id, item_state=FAILED)
    assert await reader.read_indexes() == [0, 6]
    assert reader.page_sizes == [1, 0, 1]
    await worker.fail(leases[9])
    assert await reader.read_indexes() == [9]
    assert reader.page_sizes == [1, 0, 1, 1]


async def test_a_search_that_ends_with_its_last_row_has_no_more(store, monkeypatch):
    monkeypatch.setattr(recorded_results, "MAX_ROWS_READ", 3)
    job, worker, leases = await leased_job(store, 3)
    await worker.succeed(*leases)
    page = await store.recorded(job.job_id, item_state=FAILED)
    assert (len(page.results), page.has_more) == (0, False)
    assert page.next.seq == page.job.seq


async def test_a_place_beyond_the_end_is_not_moved_back(store):
    job, worker, leases = await leased_job(store, 1)
    await worker.succeed(*leases)
    beyond = pb.RecordPosition(seq=1_000, item_index=5)
    page = await store.recorded(job.job_id, beyond)
    assert (list(page.results), page.has_more, page.next) == ([], False, beyond)


async def test_a_late_success_in_a_finished_job_is_read_after_its_end(store):
    job, worker, leases = await leased_job(store, 2)
    await store.cancel(job.job_id)
    await worker.release(*leases)
    reader = Reader(store, job.job_id)
    assert await reader.read() == []
    await worker.succeed(leases[1])
    assert await reader.read_indexes() == [1]


async def test_results_of_an_open_upload_are_read_as_they_are_recorded(store):
    job = await store.open_upload()
    worker = await store.worker()
    reader = Reader(store, job.job_id)
    for first in (0, 3):
        await store.append(job.job_id, first, 3)
        await worker.succeed(*(await worker.lease()).leases)
        assert await reader.read_indexes() == [first, first + 1, first + 2]


async def test_recorded_results_of_another_tenants_job_are_not_found(store):
    job = await store.create()
    for job_id, tenant in ((job.job_id, "other"), (job.job_id, ""), ("no uuid", "default")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await store.recorded(job_id, tenant=tenant)
        error = from_rpc_error(caught.value)
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
        assert error.metadata == {"job_id": job_id}
