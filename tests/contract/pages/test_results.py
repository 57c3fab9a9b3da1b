"""Pages of results, by item_index."""

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2


async def finished_job(store, outputs):
    job = await store.create(items=len(outputs))
    worker = await store.worker()
    leases = (await worker.lease()).leases
    for lease in leases:
        for item in lease.items:
            await worker.record(store.record_of(lease, [item.item_index], output=outputs[item.item_index]))
    return job


async def read_all(store, job_id, **fields):
    results, after, more = [], -1, True
    while more:
        page = await store.results(job_id, after_item_index=after, **fields)
        results += page.results
        after, more = results[-1].item_index, page.has_more
    return results


async def test_results_come_by_item_index_in_pages(store):
    job = await finished_job(store, [f'"{index}"' for index in range(7)])
    results = await read_all(store, job.job_id, page_size=3)
    assert [(result.item_index, result.output) for result in results] == [
        (index, f'"{index}"') for index in range(7)
    ]
    assert {(result.attempt_count, result.usage.input_tokens) for result in results} == {(1, 10)}


async def test_a_page_of_results_ends_at_1_mb_and_has_at_least_one(store):
    large, medium = '"' + "x" * 2_000_000 + '"', '"' + "\u00e9" * 300_000 + '"'
    job = await finished_job(store, [large, medium, medium, large])
    first = await store.results(job.job_id)
    assert [len(first.results), first.has_more] == [1, True]
    second = await store.results(job.job_id, after_item_index=0)
    assert [result.item_index for result in second.results] == [1]
    assert [r.item_index for r in await read_all(store, job.job_id)] == [0, 1, 2, 3]


async def test_a_page_of_one_state_has_no_other(store):
    job = await store.create(items=4)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.fail(leases[1])
    await worker.succeed(leases[0], leases[2])
    failed = await store.results(job.job_id, item_state=jobs_pb2.ITEM_STATE_FAILED)
    assert [(r.item_index, r.error.reason) for r in failed.results] == [(1, "BAD")]
    succeeded = await store.results(job.job_id, item_state=jobs_pb2.ITEM_STATE_SUCCEEDED)
    assert [r.item_index for r in succeeded.results] == [0, 2]


async def test_a_page_of_failures_ends_at_1_mb_of_messages(store):
    job = await store.create(items=400, max_failed_ratio=1.0)
    worker = await store.worker()
    error = jobs_pb2.Error(reason="BAD", message="\u00e9" * 4_000)
    for lease in (await worker.lease()).leases:
        await worker.record(store.record_of(lease, error=error))
    page = await store.results(job.job_id)
    assert page.has_more
    assert page.ByteSize() < 1_200_000
    assert len(await read_all(store, job.job_id)) == 400


async def test_results_of_another_tenants_job_are_not_found(store):
    job = await store.create()
    for job_id, tenant in ((job.job_id, "other"), ("no uuid", "default")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await store.results(job_id, tenant=tenant)
        assert from_rpc_error(caught.value).reason == "JOB_NOT_FOUND"
