import asyncio
import json

import grpc
import pytest

from headrace.gateway.v1.gateway_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    GetResultsRequest,
    ListJobsRequest,
    ListWorkersRequest,
    WatchJobRequest,
)
from headrace.jobs.v1 import jobs_pb2

THEIRS = (("headrace-tenant", "theirs"),)


async def snapshots(call):
    async with asyncio.timeout(20):
        return [response.job async for response in call if response.HasField("job")]


async def test_a_submitted_job_can_be_read_at_once(gateway, submit):
    job = await submit(gateway)
    read = (await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id))).job
    assert read == job
    assert job.state == jobs_pb2.JOB_STATE_PENDING
    assert job.progress.total_count == 3


async def test_a_job_is_watched_to_its_end_and_its_results_read(gateway, submit, lease, record):
    job = await submit(gateway, items=['{"a": 1}', '"\\u0000"', '"🙂"'])
    watching = asyncio.create_task(snapshots(gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))))
    for one in await lease():
        await record(one)
    seen = await watching
    assert seen[-1].state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert [job.seq for job in seen] == sorted({job.seq for job in seen})
    results = (await gateway.stub.GetResults(GetResultsRequest(job_id=job.job_id))).results
    assert [result.output for result in results] == ['{"a": 1}', '"\\u0000"', '"🙂"']


async def test_the_same_request_id_makes_one_job_however_often_it_is_sent_at_once(gateway, submit):
    jobs = await asyncio.gather(*(submit(gateway, request_id="wanted") for _ in range(20)))
    assert len({job.job_id for job in jobs}) == 1
    assert len((await gateway.stub.ListJobs(ListJobsRequest())).jobs) == 1


async def test_the_same_request_id_with_another_body_is_refused_and_nothing_is_lost(
    gateway, submit, failure_of
):
    first = await submit(gateway, request_id="wanted")
    error = await failure_of(submit(gateway, request_id="wanted", items=["4"]))
    assert error.code is grpc.StatusCode.ALREADY_EXISTS
    assert error.reason == "REQUEST_ID_REUSED"
    assert (await submit(gateway, request_id="wanted")).job_id == first.job_id


async def test_many_jobs_at_once_are_all_stored(gateway, submit):
    jobs = await asyncio.gather(*(submit(gateway) for _ in range(200)))
    assert len({job.job_id for job in jobs}) == 200
    listed = (await gateway.stub.ListJobs(ListJobsRequest(page_size=1000))).jobs
    assert {job.job_id for job in listed} == {job.job_id for job in jobs}


async def test_jobs_are_listed_by_state_and_kind(gateway, submit):
    cancelled, pending = await submit(gateway), await submit(gateway)
    await gateway.stub.CancelJob(CancelJobRequest(job_id=cancelled.job_id))
    by_state = await gateway.stub.ListJobs(ListJobsRequest(states=[jobs_pb2.JOB_STATE_CANCELLED]))
    assert [job.job_id for job in by_state.jobs] == [cancelled.job_id]
    by_kind = await gateway.stub.ListJobs(ListJobsRequest(kind="noop"))
    assert [job.job_id for job in by_kind.jobs] == [pending.job_id, cancelled.job_id]
    assert not (await gateway.stub.ListJobs(ListJobsRequest(kind="llm.classify"))).jobs


async def test_a_tenant_sees_only_its_own_jobs(gateway, submit, failure_of):
    job = await submit(gateway, tenant="theirs")
    for call in (
        gateway.stub.GetJob(GetJobRequest(job_id=job.job_id)),
        gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id)),
        gateway.stub.GetResults(GetResultsRequest(job_id=job.job_id)),
        gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id)).read(),
    ):
        assert (await failure_of(call)).reason == "JOB_NOT_FOUND"
    assert not (await gateway.stub.ListJobs(ListJobsRequest())).jobs
    assert len((await gateway.stub.ListJobs(ListJobsRequest(), metadata=THEIRS)).jobs) == 1


async def test_cancelling_ends_the_watch_and_a_second_cancel_changes_nothing(gateway, submit):
    job = await submit(gateway)
    watching = asyncio.create_task(snapshots(gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))))
    cancelled = (await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id))).job
    assert cancelled.state == jobs_pb2.JOB_STATE_CANCELLED
    assert cancelled.progress.cancelled_count == 3
    assert (await watching)[-1] == cancelled
    assert (await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id))).job == cancelled


async def test_a_cancel_is_cancelling_until_leased_items_are_returned(gateway, submit, lease, record):
    job = await submit(gateway)
    leases = await lease()
    response = (await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id))).job
    assert response.state == jobs_pb2.JOB_STATE_CANCELLING
    for one in leases:
        await record(one)
    ended = await snapshots(gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id)))
    assert ended[-1].state == jobs_pb2.JOB_STATE_CANCELLED


async def test_a_worker_that_sent_a_heartbeat_is_listed(gateway, submit, lease):
    await submit(gateway)
    await lease()
    workers = (await gateway.stub.ListWorkers(ListWorkersRequest())).workers
    assert [(worker.address, worker.live) for worker in workers] == [("127.0.0.1:1", True)]


async def test_a_large_job_is_stored_whole(gateway, submit, lease):
    items = [json.dumps({"title": f"Engineer {index}", "text": "x" * 300}) for index in range(10_000)]
    job = await submit(gateway, items=items)
    assert job.progress.total_count == 10_000
    leased = [item for one in await lease() for item in one.items]
    assert leased
    assert all(item.input == items[item.item_index] for item in leased)


@pytest.mark.parametrize("job_class", [jobs_pb2.JOB_CLASS_INTERACTIVE, jobs_pb2.JOB_CLASS_BULK])
async def test_the_class_of_a_job_is_stored(gateway, submit, job_class):
    assert (await submit(gateway, options={"job_class": job_class})).job_class == job_class
