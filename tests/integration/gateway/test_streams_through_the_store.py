"""Uploads and streamed results, through the public API with a real store."""

import asyncio
import json
from itertools import pairwise

import grpc
import pytest

from headrace.gateway.v1.gateway_pb2 import (
    AppendItemsRequest,
    CancelJobRequest,
    GetJobRequest,
    GetResultsRequest,
    StreamResultsRequest,
    SubmitJobRequest,
    UploadFinish,
)
from headrace.jobs.v1 import jobs_pb2


@pytest.fixture
def submit_upload():
    async def submit(gateway, **fields) -> jobs_pb2.Job:
        request = SubmitJobRequest(kind="noop", upload=True, **fields)
        return (await gateway.stub.SubmitJob(request, timeout=20)).job

    return submit


async def upload(gateway, job, *requests) -> list:
    """Sends requests one after the other; returns all responses."""
    first = AppendItemsRequest(job_id=job.job_id)
    call = gateway.stub.AppendItems(iter([first, *requests]), timeout=60)
    return [response async for response in call]


def batch(first: int, *items: str, finish: int | None = None) -> AppendItemsRequest:
    end = None if finish is None else UploadFinish(total_count=finish)
    return AppendItemsRequest(first_item_index=first, items=items, finish=end)


async def streamed(gateway, job, **fields) -> list:
    async with asyncio.timeout(30):
        call = gateway.stub.StreamResults(StreamResultsRequest(job_id=job.job_id, **fields))
        return [response async for response in call]


async def test_an_upload_is_worked_on_while_open_and_ends_once_finished(
    gateway, submit_upload, lease, record
):
    job = await submit_upload(gateway)
    assert job.state == jobs_pb2.JOB_STATE_UPLOADING
    await upload(gateway, job, batch(0, "1", "2"))
    for one in await lease():
        await record(one)
    half = (await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id))).job
    assert (half.state, half.progress.succeeded_count) == (jobs_pb2.JOB_STATE_UPLOADING, 2)
    responses = await upload(gateway, job, batch(0, finish=2))
    assert responses[0].stored_count == 2
    assert responses[-1].job.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_20_000_items_are_stored_in_their_order_whatever_the_batches(gateway, submit_upload, lease):
    job = await submit_upload(gateway)
    items = [json.dumps({"index": index, "text": "x" * 100}) for index in range(20_000)]
    cuts = [0, 1, 2, 1500, 1501, 9000, 20_000]
    batches = [batch(a, *items[a:b]) for a, b in pairwise(cuts)]
    responses = await upload(gateway, job, *batches, batch(0, finish=20_000))
    assert responses[-1].job.progress.total_count == 20_000
    leased = [item for one in await lease() for item in one.items]
    assert leased
    assert all(item.input == items[item.item_index] for item in leased)


async def test_an_upload_continues_at_another_gateway_after_a_break(
    gateway, start_gateway, submit_upload, lease
):
    other = await start_gateway()
    job = await submit_upload(gateway)
    call = gateway.stub.AppendItems()
    await call.write(AppendItemsRequest(job_id=job.job_id))
    await call.read()
    await call.write(batch(0, "1", "2", "3"))
    assert (await call.read()).stored_count == 3
    call.cancel()
    responses = await upload(other, job, batch(2, "3", "4", "5"), batch(5, finish=5))
    assert responses[0].stored_count == 3
    assert responses[-1].job.progress.total_count == 5
    leased = [item.input for one in await lease() for item in one.items]
    assert leased == ["1", "2", "3", "4", "5"]


async def test_two_uploads_to_one_job_at_once_store_each_item_once(gateway, submit_upload, lease):
    job = await submit_upload(gateway)
    batches = [batch(first, *(str(i) for i in range(first, first + 50))) for first in range(0, 1000, 50)]
    await asyncio.gather(upload(gateway, job, *batches), upload(gateway, job, *batches))
    responses = await upload(gateway, job, batch(0, finish=1000))
    assert responses[-1].job.progress.total_count == 1000
    leased = [item.input for one in await lease() for item in one.items]
    assert leased == [str(i) for i in range(len(leased))]


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (batch(3, "4"), grpc.StatusCode.ABORTED, "UPLOAD_OFFSET"),
        (batch(0, finish=1), grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_TOTAL"),
        (batch(0, finish=9), grpc.StatusCode.ABORTED, "UPLOAD_OFFSET"),
    ],
    ids=["beyond", "total below", "total above"],
)
async def test_errors_of_the_store_reach_the_client_and_earlier_items_stay(
    gateway, submit_upload, failure_of, request_, code, reason
):
    job = await submit_upload(gateway)
    error = await failure_of(upload(gateway, job, batch(0, "1", "2"), request_))
    assert (error.code, error.reason) == (code, reason)
    if reason == "UPLOAD_OFFSET":
        assert error.metadata["stored_count"] == "2"
    assert (await upload(gateway, job))[0].stored_count == 2


async def test_items_after_the_end_of_an_upload_or_of_its_job_are_refused(gateway, submit_upload, failure_of):
    finished, cancelled = await submit_upload(gateway), await submit_upload(gateway)
    await upload(gateway, finished, batch(0, "1", finish=1))
    assert (await failure_of(upload(gateway, finished, batch(1, "2")))).reason == "UPLOAD_CLOSED"
    await gateway.stub.CancelJob(CancelJobRequest(job_id=cancelled.job_id))
    assert (await failure_of(upload(gateway, cancelled, batch(0, "1")))).reason == "JOB_ENDED"


async def test_an_upload_is_other_content_than_items_for_the_same_request_id(
    gateway, submit, submit_upload, failure_of
):
    opened = await submit_upload(gateway, request_id="wanted")
    assert (await submit_upload(gateway, request_id="wanted")).job_id == opened.job_id
    assert (await failure_of(submit(gateway, request_id="wanted"))).reason == "REQUEST_ID_REUSED"


async def test_results_are_streamed_while_the_job_runs_and_end_with_it(gateway, submit_upload, lease, record):
    job = await submit_upload(gateway)
    call = gateway.stub.StreamResults(StreamResultsRequest(job_id=job.job_id), timeout=30)
    await call.initial_metadata()
    await upload(gateway, job, batch(0, "1", "2"))
    for one in await lease():
        await record(one)
    early = await call.read()
    assert sorted(result.output for result in early.results) == ["1", "2"]
    await upload(gateway, job, batch(0, finish=2))
    last = await call.read()
    assert last.job.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert await call.read() is grpc.aio.EOF
    [again] = await streamed(gateway, job, cursor=early.cursor)
    assert (list(again.results), again.job) == ([], last.job)


async def test_streamed_results_equal_the_paged_results(gateway, submit, lease, record):
    job = await submit(gateway, items=[json.dumps(f"{index} " + "x" * 3000) for index in range(1000)])
    for one in await lease():
        await record(one)
    responses = await streamed(gateway, job)
    results = [result for response in responses for result in response.results]
    assert len(responses) > 1  # over 1 MB
    assert sorted(result.item_index for result in results) == list(range(1000))
    page = await gateway.stub.GetResults(GetResultsRequest(job_id=job.job_id, page_size=100))
    by_index = {result.item_index: result for result in results}
    assert all(by_index[result.item_index] == result for result in page.results)
    rest = await streamed(gateway, job, cursor=responses[0].cursor)
    assert len(responses[0].results) + sum(len(response.results) for response in rest) == 1000


async def test_only_failures_are_streamed_on_request(gateway, submit, lease, record):
    job = await submit(gateway)
    for one in await lease():
        await record(one)
    responses = await streamed(gateway, job, item_state=jobs_pb2.ITEM_STATE_FAILED)
    assert not any(response.results for response in responses)
    assert responses[-1].job.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_streams_of_another_tenants_job_find_nothing(gateway, submit, submit_upload, failure_of):
    job = await submit(gateway, tenant="theirs")
    assert (await failure_of(upload(gateway, job))).reason == "JOB_NOT_FOUND"
    assert (await failure_of(streamed(gateway, job))).reason == "JOB_NOT_FOUND"
