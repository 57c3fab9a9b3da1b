"""StreamResults, over a real in-process server with a fake store."""

import asyncio

import grpc
import pytest

from headrace.gateway.v1.gateway_pb2 import GetJobRequest, StreamResultsRequest
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.cursors import ResultsQuery
from services.stubs.results.v1 import results_pb2

MB = 1024 * 1024
SUCCEEDED = jobs_pb2.JOB_STATE_SUCCEEDED


def stream(gateway, job, **fields):
    return gateway.stub.StreamResults(StreamResultsRequest(job_id=job.job_id, **fields), timeout=30)


def indices(*responses) -> list[int]:
    return [result.item_index for response in responses for result in response.results]


async def all_of(call) -> list:
    async with asyncio.timeout(20):
        return [response async for response in call]


async def until_emptied(hub) -> None:
    async with asyncio.timeout(10):
        while hub.watched_job_count:
            await asyncio.sleep(0.01)


async def test_results_of_a_finished_job_arrive_in_the_order_of_recording_and_end_with_its_snapshot(
    gateway, results, submit
):
    job = await submit(gateway)
    results.record(job.job_id, 2)
    results.record(job.job_id, 0, 1)
    results.advance(job.job_id, SUCCEEDED, 3)
    responses = await all_of(stream(gateway, job))
    assert indices(*responses) == [2, 0, 1]
    assert [response.job.state for response in responses] == [SUCCEEDED]
    assert all(response.cursor for response in responses)


async def test_a_running_job_is_followed_to_its_end(gateway, results, submit, next_of):
    job = await submit(gateway)
    call = stream(gateway, job)
    await call.initial_metadata()
    gateway.app.hub.put_jobs([results.record(job.job_id, 1)])
    first = await next_of(call)
    assert (indices(first), first.HasField("job")) == ([1], False)
    results.record(job.job_id, 0, 2)
    gateway.app.hub.put_jobs([results.advance(job.job_id, SUCCEEDED, 3)])
    last = await next_of(call)
    assert (indices(last), last.job.state) == ([0, 2], SUCCEEDED)
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    await until_emptied(gateway.app.hub)


async def test_a_result_recorded_while_the_first_page_is_read_is_not_missed(
    gateway, results, submit, next_of
):
    job = await submit(gateway)
    results.gates["ListRecordedResults"] = asyncio.Event()
    call = stream(gateway, job)
    await results.until(lambda: results.calls["ListRecordedResults"])
    gateway.app.hub.put_jobs([results.record(job.job_id, 1)])
    results.gates.pop("ListRecordedResults").set()
    assert indices(await next_of(call)) == [1]
    call.cancel()


async def test_results_that_no_stream_reports_are_found_by_reading_again(
    start_gateway, results, submit, next_of
):
    gateway = await start_gateway(gateway_resync_seconds=0.1)
    job = await submit(gateway)
    call = stream(gateway, job)
    await call.initial_metadata()
    results.record(job.job_id, 1)
    assert indices(await next_of(call)) == [1]
    call.cancel()


async def test_a_snapshot_without_results_sends_nothing(gateway, results, submit, next_of):
    job = await submit(gateway)
    call = stream(gateway, job)
    await call.initial_metadata()
    calls_before = results.calls["ListRecordedResults"]
    gateway.app.hub.put_jobs([results.advance(job.job_id)])
    await results.until(lambda: results.calls["ListRecordedResults"] > calls_before)
    gateway.app.hub.put_live_event(job.job_id, jobs_pb2.LiveEvent(in_flight_count=1))
    gateway.app.hub.put_jobs([results.record(job.job_id, 0)])
    assert indices(await next_of(call)) == [0]
    call.cancel()


async def test_live_numbers_alone_read_nothing(gateway, results, submit):
    job = await submit(gateway)
    call = stream(gateway, job)
    await call.initial_metadata()
    calls_before = results.calls["ListRecordedResults"]
    gateway.app.hub.put_live_event(job.job_id, jobs_pb2.LiveEvent(in_flight_count=1))
    second = stream(gateway, job)  # a round trip in which the first stream could have read
    await second.initial_metadata()
    assert results.calls["ListRecordedResults"] == calls_before + 1
    call.cancel()
    second.cancel()


async def test_pages_follow_each_other_without_new_snapshots(gateway, results, submit):
    job = await submit(gateway, item_count=7)
    results.record(job.job_id, *range(7))
    results.advance(job.job_id, SUCCEEDED, 7)
    results.recorded_page_size = 3
    responses = await all_of(stream(gateway, job))
    assert [indices(response) for response in responses] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [response.HasField("job") for response in responses] == [False, False, True]


async def test_a_stream_resumes_after_a_cursor_at_another_gateway_without_repeats(
    gateway, start_gateway, results, submit, next_of
):
    other = await start_gateway()
    job = await submit(gateway, item_count=4)
    results.record(job.job_id, 0, 3)
    results.recorded_page_size = 1
    call = stream(gateway, job)
    first = await next_of(call)
    call.cancel()
    results.record(job.job_id, 1, 2)
    results.advance(job.job_id, SUCCEEDED, 4)
    rest = await all_of(stream(other, job, cursor=first.cursor))
    assert indices(first, *rest) == [0, 3, 1, 2]


async def test_after_the_end_the_last_cursor_brings_only_the_snapshot(gateway, results, submit):
    job = await submit(gateway)
    results.record(job.job_id, 0, 1, 2)
    results.advance(job.job_id, SUCCEEDED, 3)
    [last] = await all_of(stream(gateway, job))
    [again] = await all_of(stream(gateway, job, cursor=last.cursor))
    assert (indices(again), again.job.state) == ([], SUCCEEDED)


async def test_only_results_of_a_state_are_streamed_and_the_cursor_skips_the_others(
    gateway, results, submit, next_of
):
    job = await submit(gateway)
    call = stream(gateway, job, item_state=jobs_pb2.ITEM_STATE_FAILED)
    begun = await next_of(call)
    gateway.app.hub.put_jobs([results.record(job.job_id, 0, 1)])
    moved = await next_of(call)
    assert (indices(moved), moved.cursor != begun.cursor) == ([], True)
    gateway.app.hub.put_jobs([results.record(job.job_id, 2, failed=True)])
    assert indices(await next_of(call)) == [2]
    call.cancel()


async def test_a_slow_reader_has_no_page_read_ahead_of_it(gateway, results, submit):
    pages = 40
    job = await submit(gateway, item_count=pages)
    results.record(job.job_id, *range(pages), size=MB)
    results.advance(job.job_id, SUCCEEDED, pages)
    results.recorded_page_size = 1
    call = stream(gateway, job)
    await call.initial_metadata()
    seen = 0
    while seen != results.calls["ListRecordedResults"]:  # until the transport accepts no more
        seen = results.calls["ListRecordedResults"]
        for _ in range(50):
            await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id))
    assert seen < pages
    assert indices(*await all_of(call)) == list(range(pages))


async def test_a_cursor_of_another_job_is_refused(gateway, results, submit, failure_of):
    one, other = await submit(gateway), await submit(gateway)
    results.advance(one.job_id, SUCCEEDED)
    [last] = await all_of(stream(gateway, one))
    error = await failure_of(stream(gateway, other, cursor=last.cursor).read())
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_CURSOR")
    assert [violation.field for violation in error.violations] == ["cursor"]


@pytest.mark.parametrize("cursor", ["x", "é", "AAAA", "\0"])
async def test_a_text_that_is_not_a_cursor_is_refused(gateway, submit, failure_of, cursor):
    job = await submit(gateway)
    assert (await failure_of(stream(gateway, job, cursor=cursor).read())).reason == "INVALID_CURSOR"


async def test_a_cursor_that_the_store_has_not_reached_yet_is_refused(gateway, submit, failure_of):
    job = await submit(gateway)
    ahead = ResultsQuery(job.job_id, jobs_pb2.ITEM_STATE_UNSPECIFIED).cursor(
        results_pb2.RecordPosition(seq=1000)
    )
    assert (await failure_of(stream(gateway, job, cursor=ahead).read())).reason == "INVALID_CURSOR"


async def test_a_reader_that_goes_away_leaves_nothing_behind(gateway, submit):
    job = await submit(gateway)
    calls = [stream(gateway, job) for _ in range(5)]
    for call in calls:
        await call.initial_metadata()
    for call in calls:
        call.cancel()
    await until_emptied(gateway.app.hub)


async def test_a_store_that_becomes_unavailable_ends_the_stream_after_the_results_sent(
    gateway, results, submit, next_of, failure_of, unavailable
):
    job = await submit(gateway)
    results.record(job.job_id, 0)
    call = stream(gateway, job)
    assert indices(await next_of(call)) == [0]
    results.failures["ListRecordedResults"] = unavailable
    gateway.app.hub.put_jobs([results.record(job.job_id, 1)])
    assert (await failure_of(call.read())).reason == "STORE_UNAVAILABLE"


async def test_a_stopping_gateway_ends_streams_so_that_clients_continue_elsewhere(
    start_gateway, results, submit, failure_of
):
    gateway = await start_gateway()
    waiting, reading = await submit(gateway), await submit(gateway)
    results.record(reading.job_id, 0, 1, 2)
    results.recorded_page_size = 1
    idle = stream(gateway, waiting)
    await idle.initial_metadata()
    results.gates["ListRecordedResults"] = asyncio.Event()
    busy = stream(gateway, reading)
    await results.until(lambda: results.calls["ListRecordedResults"] == 2)
    stopping = asyncio.create_task(gateway.app.stop())
    assert (await failure_of(idle.read())).reason == "GATEWAY_STOPPING"
    results.gates.pop("ListRecordedResults").set()
    assert indices(await busy.read()) == [0]
    assert (await failure_of(busy.read())).reason == "GATEWAY_STOPPING"
    await asyncio.wait_for(stopping, 10)
