"""DeleteJob, and retention per job."""

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from services.results.purging import purge_deleted_job
from services.stubs.results.v1 import results_pb2 as pb

HOUR = 3_600


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value).reason


async def ended_job(store, items=1, **fields):
    worker = await store.worker()
    job = await store.create(items, **fields)
    await worker.fail(*await worker.lease_all())
    return job


async def test_a_terminal_job_and_all_its_rows_are_gone_at_once(store):
    job = await ended_job(store, 30)
    assert await store.delete(job.job_id)
    assert set((await store.count_rows()).values()) == {0}
    for call in (store.results, store.recorded, store.cancel, store.retry, store.delete, store.update):
        assert await refusal(call(job.job_id)) == "JOB_NOT_FOUND"


async def test_the_rows_of_a_very_large_job_are_left_to_the_purger(store, monkeypatch):
    monkeypatch.setattr(purge_deleted_job, "MAX_ITEMS", 1_000)
    job = await store.create(3_000)
    await store.cancel(job.job_id)
    assert await store.delete(job.job_id)
    assert await refusal(store.results(job.job_id)) == "JOB_NOT_FOUND"
    assert (await store.count_rows("chunks"))["chunks"] > 0
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


async def test_a_live_job_is_deleted_only_with_force(store):
    job = await store.create(3)
    assert await refusal(store.delete(job.job_id)) == "JOB_NOT_ENDED"
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_PENDING
    assert await store.delete(job.job_id, force=True)
    assert set((await store.count_rows()).values()) == {0}


async def test_a_job_that_workers_hold_is_deleted_when_its_last_lease_ends(store):
    job = await store.create(3)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    request = pb.DeleteJobRequest(job_id=job.job_id, tenant="default", force=True)
    response = await store.stub.DeleteJob(request)
    assert not response.gone
    assert [each.incarnation for each in response.effects.workers_to_notify] == [worker.incarnation]
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_CANCELLING
    await worker.release(*leases[:2])
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_CANCELLING
    released = await worker.release(leases[2])
    (last,) = released.effects.changed_jobs
    assert last.state == jobs_pb2.JOB_STATE_CANCELLED
    assert await refusal(store.results(job.job_id)) == "JOB_NOT_FOUND"
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


async def test_a_dead_workers_leases_do_not_keep_a_deleted_job(store):
    job = await store.create(3)
    await (await store.worker()).lease()
    assert not await store.delete(job.job_id, force=True)
    store.advance(60)
    for _ in range(2):
        await store.sweep()
        store.advance(2)
    assert await refusal(store.results(job.job_id)) == "JOB_NOT_FOUND"


async def test_a_late_success_of_a_deleted_job_is_lost(store):
    job = await store.create(1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    await worker.fail(lease)
    await store.delete(job.job_id)
    late = await worker.succeed(lease)
    assert late.outcomes[0].lost
    assert set((await store.count_rows()).values()) == {0}


@pytest.mark.parametrize("attempt", range(5))
async def test_deleting_a_job_at_the_time_of_a_late_success_leaves_no_row(store, attempt):
    job = await store.create(1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    await worker.fail(lease)
    await asyncio.gather(worker.succeed(lease), store.delete(job.job_id))
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


async def test_deleting_a_job_twice_at_once_deletes_it_once(store):
    job = await ended_job(store)
    outcomes = await asyncio.gather(*(store.delete(job.job_id) for _ in range(3)), return_exceptions=True)
    assert sum(outcome is True for outcome in outcomes) == 1


async def test_another_tenant_cannot_delete_a_job(store):
    job = await ended_job(store)
    assert await refusal(store.delete(job.job_id, "other")) == "JOB_NOT_FOUND"
    assert await store.get(job.job_id)


async def test_the_request_id_of_a_deleted_job_is_free(store):
    job = await ended_job(store, request_id="again")
    await store.delete(job.job_id)
    assert (await store.create(request_id="again")).job_id != job.job_id


async def test_a_job_is_kept_for_its_own_retention(store):
    await ended_job(store, retention=Duration(seconds=60))
    usual = await ended_job(store)
    long = await ended_job(store, retention=Duration(seconds=5 * HOUR))
    await store.purge(retention_hours=1)
    for age, kept in ((61, [usual, long]), (HOUR, [long]), (3 * HOUR, [long]), (2 * HOUR, [])):
        store.advance(age)
        await store.purge(retention_hours=1)
        page = await store.stub.ListJobs(pb.ListJobsRequest(tenant="default", page_size=10))
        assert {job.job_id for job in page.jobs} == {job.job_id for job in kept}


async def test_a_job_with_its_own_retention_is_purged_where_jobs_are_kept_for_ever(store):
    job = await ended_job(store, retention=Duration(seconds=60))
    usual = await ended_job(store)
    assert (await store.get(job.job_id)).HasField("purge_time")
    assert not (await store.get(usual.job_id)).HasField("purge_time")
    store.advance(61)
    await store.purge(retention_hours=0)
    page = await store.stub.ListJobs(pb.ListJobsRequest(tenant="default", page_size=10))
    assert [each.job_id for each in page.jobs] == [usual.job_id]


async def test_a_live_job_has_no_purge_time(store):
    job = await store.create(retention=Duration(seconds=60))
    assert not (await store.get(job.job_id)).HasField("purge_time")


async def test_the_params_of_a_job_can_be_read_back(store):
    job = await store.create(params='{"a":  [1e5, "\\u00e9"]}')
    found = await store.stub.GetParams(pb.GetParamsRequest(job_id=job.job_id, tenant="default"))
    assert (found.params, found.job) == ('{"a":  [1e5, "\\u00e9"]}', await store.get(job.job_id))
    request = pb.GetParamsRequest(job_id=job.job_id, tenant="other")
    assert await refusal(store.stub.GetParams(request)) == "JOB_NOT_FOUND"
