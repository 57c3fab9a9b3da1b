"""AppendItems, over a real in-process server with a fake store."""

import asyncio
import json

import grpc
import pytest

from headrace.errors import ResourceExhaustedError, UnavailableError
from headrace.gateway.v1.gateway_pb2 import AppendItemsRequest, ListKindsRequest, UploadFinish
from headrace.jobs.v1 import jobs_pb2
from services.gateway.uploads import buffer as upload_buffer
from services.gateway.uploads import stream as upload_stream

MB = 1024 * 1024


@pytest.fixture
def gathering(monkeypatch):
    """Gathers calls until they are full or the stream ends."""
    monkeypatch.setattr(upload_buffer, "GATHER_SECONDS", 3600)


@pytest.fixture
def quick_repeats(monkeypatch):
    monkeypatch.setattr(upload_stream, "RETRY_SECONDS", (0.01, 0.01))


async def rest_of(call, responses: list | None = None) -> list:
    """Reads to the end; the given list has the responses before an error."""
    responses = [] if responses is None else responses
    async with asyncio.timeout(20):
        while (response := await call.read()) is not grpc.aio.EOF:
            responses.append(response)
    return responses


def batches(results) -> list[tuple[int, int]]:
    """Returns the first index and the count of the items in each call that sent some."""
    return [
        (request.first_item_index, len(request.items))
        for request in results.requests["AppendItems"]
        if request.items
    ]


async def until_nothing_is_reserved(gateway) -> None:
    async with asyncio.timeout(10):
        while gateway.app.uploads.budget.held or gateway.app.uploads.running:
            await asyncio.sleep(0.01)


async def test_an_upload_is_opened_filled_and_finished(gateway, results, open_upload, next_of):
    upload = await open_upload(gateway)
    assert (upload.first.stored_count, upload.first.job.state) == (0, jobs_pb2.JOB_STATE_UPLOADING)
    await upload.send(0, "1", "2")
    assert (await next_of(upload.call)).stored_count == 2
    await upload.send(2, "3", finish=3)
    last = await next_of(upload.call)
    assert (last.stored_count, last.job.progress.total_count) == (3, 3)
    assert await upload.call.read() is grpc.aio.EOF
    assert await upload.call.code() is grpc.StatusCode.OK
    assert results.items[upload.job.job_id] == ["1", "2", "3"]


async def test_responses_between_the_first_and_the_last_have_no_snapshot(gateway, open_upload, next_of):
    upload = await open_upload(gateway)
    await upload.send(0, "1")
    assert not (await next_of(upload.call)).HasField("job")
    upload.call.cancel()


async def test_initial_metadata_arrives_before_anything_is_sent(gateway):
    call = gateway.stub.AppendItems()
    await asyncio.wait_for(call.initial_metadata(), 10)
    call.cancel()


async def test_the_effects_of_a_stored_batch_are_carried_out(gateway, open_upload, next_of):
    upload = await open_upload(gateway)
    with gateway.app.hub.watch(upload.job.job_id, upload.job.seq) as watcher:
        await upload.send(0, "1")
        assert (await asyncio.wait_for(watcher.next(), 10)).job.progress.total_count == 1
    async with asyncio.timeout(10):
        # One task of the submission, one of the batch.
        while gateway.broker.queues["headrace.default"].qsize() < 2:
            await asyncio.sleep(0.01)
    upload.call.cancel()


async def test_small_batches_are_gathered_while_a_call_is_in_flight(gateway, results, open_upload, gathering):
    upload = await open_upload(gateway)
    for first in range(0, 3000, 100):
        await upload.send(first, *["1"] * 100)
    await upload.send(finish=3000)
    responses = await rest_of(upload.call)
    assert batches(results) == [(0, 1000), (1000, 1000), (2000, 1000)]
    assert [response.stored_count for response in responses] == sorted(
        response.stored_count for response in responses
    )
    assert responses[-1].stored_count == 3000


async def test_a_large_batch_is_split_and_stored_in_order(gateway, results, open_upload):
    upload = await open_upload(gateway)
    items = [json.dumps(f"{index:05} " + "x" * 300) for index in range(10_000)]
    await upload.send(0, *items, finish=10_000)
    assert (await rest_of(upload.call))[-1].stored_count == 10_000
    assert results.items[upload.job.job_id] == items
    assert all(request.ByteSize() <= MB + 200 for request in results.requests["AppendItems"])


async def test_ending_without_finish_stores_all_and_leaves_the_upload_open(gateway, results, open_upload):
    upload = await open_upload(gateway)
    await upload.send(0, "1", "2")
    await upload.send(2, "3")
    await upload.call.done_writing()
    assert (await rest_of(upload.call))[-1].stored_count == 3
    assert await upload.call.code() is grpc.StatusCode.OK
    assert upload.job.job_id in results.open_uploads
    again = await open_upload(gateway, upload.job)
    assert again.first.stored_count == 3
    again.call.cancel()


async def test_items_sent_twice_are_trimmed(gateway, results, open_upload, next_of):
    upload = await open_upload(gateway)
    await upload.send(0, "1", "2", "3")
    assert (await next_of(upload.call)).stored_count == 3
    await upload.send(1, "2", "3", "4")
    assert (await next_of(upload.call)).stored_count == 4
    assert results.items[upload.job.job_id] == ["1", "2", "3", "4"]
    upload.call.cancel()


@pytest.mark.parametrize("send", [(2, "9"), (100, "9")], ids=["one too far", "far too far"])
async def test_a_batch_beyond_the_stored_items_is_refused_with_the_stored_count(
    gateway, results, open_upload, failure_of, send
):
    upload = await open_upload(gateway)
    await upload.send(0, "1")
    await upload.send(*send)
    error = await failure_of(rest_of(upload.call))
    assert (error.code, error.reason) == (grpc.StatusCode.ABORTED, "UPLOAD_OFFSET")
    assert error.metadata["stored_count"] == "1"
    assert results.items[upload.job.job_id] == ["1"]


async def test_two_uploads_to_one_job_store_each_item_once(
    gateway, results, open_upload, failure_of, next_of
):
    one = await open_upload(gateway)
    other = await open_upload(gateway, one.job)
    await one.send(0, "1", "2")
    assert (await next_of(one.call)).stored_count == 2
    await other.send(0, "1", "2", "3")
    assert (await next_of(other.call)).stored_count == 3
    await one.send(4, "5")
    assert (await failure_of(rest_of(one.call))).reason == "UPLOAD_OFFSET"
    await other.send(finish=3)
    assert (await rest_of(other.call))[-1].job.progress.total_count == 3


@pytest.mark.parametrize(
    ("total", "reason"), [(2, "UPLOAD_TOTAL"), (9, "UPLOAD_OFFSET")], ids=["fewer", "more"]
)
async def test_finishing_with_a_wrong_total_changes_nothing(
    gateway, results, open_upload, failure_of, gathering, total, reason
):
    upload = await open_upload(gateway)
    await upload.send(0, "1", "2", "3")
    await upload.send(finish=total)
    assert (await failure_of(rest_of(upload.call))).reason == reason
    assert results.items[upload.job.job_id] == ["1", "2", "3"]
    assert upload.job.job_id in results.open_uploads


async def test_a_finished_upload_takes_the_same_finish_and_no_more_items(gateway, open_upload, failure_of):
    upload = await open_upload(gateway)
    await upload.send(0, "1", finish=1)
    await rest_of(upload.call)
    again = await open_upload(gateway, upload.job)
    await again.send(0, "1", finish=1)
    assert (await rest_of(again.call))[-1].stored_count == 1
    late = await open_upload(gateway, upload.job)
    await late.send(1, "2")
    error = await failure_of(rest_of(late.call))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_CLOSED")


async def test_an_upload_whose_job_ended_is_refused(gateway, results, open_upload, failure_of):
    upload = await open_upload(gateway)
    results.advance(upload.job.job_id, jobs_pb2.JOB_STATE_CANCELLED)
    await upload.send(0, "1")
    assert (await failure_of(rest_of(upload.call))).reason == "JOB_ENDED"


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ["job_id"]),
        ({"items": ["1"]}, ["job_id", "items"]),
        ({"first_item_index": 5, "finish": {"total_count": 0}}, ["job_id", "first_item_index", "finish"]),
        ({"job_id": "7", "items": ["1"]}, ["job_id", "items"]),
        ({"finish": {"total_count": -1}}, ["finish.total_count", "job_id", "finish"]),
    ],
    ids=str,
)
async def test_a_first_request_names_the_job_and_nothing_else(gateway, failure_of, fields, names):
    call = gateway.stub.AppendItems(iter([AppendItemsRequest(**fields)]))
    error = await failure_of(rest_of(call))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert [violation.field for violation in error.violations] == names


async def test_a_stream_without_a_request_is_refused_with_the_missing_field(gateway, failure_of):
    error = await failure_of(rest_of(gateway.stub.AppendItems(iter(()))))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in error.violations] == ["job_id"]


@pytest.mark.parametrize(
    ("fields", "names", "reason"),
    [
        ({"items": ["3", "{", "4", "nope"]}, ["items[1]", "items[3]"], "INVALID_FIELD"),
        ({"items": ["3", json.dumps("x" * MB)]}, ["items[1]"], "ITEM_TOO_LARGE"),
        ({"items": ["3"], "job_id": "JOB"}, ["job_id"], "INVALID_FIELD"),
        ({"items": ["{"], "first_item_index": -1}, ["first_item_index", "items[0]"], "INVALID_FIELD"),
        ({"items": ["3"], "first_item_index": 10_000_000}, ["items"], "INVALID_FIELD"),
        ({"finish": {"total_count": 10_000_001}}, ["finish.total_count"], "INVALID_FIELD"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_batch_stores_nothing_and_earlier_items_stay(
    gateway, results, open_upload, failure_of, gathering, fields, names, reason
):
    upload = await open_upload(gateway)
    await upload.send(0, "1", "2")
    if "job_id" in fields:
        fields = fields | {"job_id": upload.job.job_id}
    await upload.call.write(AppendItemsRequest(**{"first_item_index": 2, **fields}))
    error = await failure_of(rest_of(upload.call))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert [violation.field for violation in error.violations] == names
    assert error.metadata == {"first_item_index": str(fields.get("first_item_index", 2))}
    assert results.items[upload.job.job_id] == ["1", "2"]


async def test_items_stored_before_an_error_are_reported_before_it(
    gateway, open_upload, failure_of, gathering
):
    upload = await open_upload(gateway)
    await upload.send(0, "1", "2")
    await upload.send(2, "{")
    responses = []
    await failure_of(rest_of(upload.call, responses))
    assert [response.stored_count for response in responses] == [2]


async def test_a_request_after_finish_is_refused_and_the_finish_is_stored(
    gateway, results, open_upload, failure_of
):
    upload = await open_upload(gateway)
    results.gates["AppendItems"] = asyncio.Event()
    await upload.send(0, "1", finish=1)
    await results.until(lambda: results.calls["AppendItems"] == 2)
    await upload.send(1, "2")
    async with asyncio.timeout(10):
        while any(not stream.reading_ended for stream in gateway.app.uploads.running):
            await asyncio.sleep(0.01)
    results.gates.pop("AppendItems").set()
    error = await failure_of(rest_of(upload.call))
    assert [violation.field for violation in error.violations] == ["finish"]
    assert results.items[upload.job.job_id] == ["1"]
    assert upload.job.job_id not in results.open_uploads


async def test_a_call_to_a_store_that_is_briefly_unavailable_is_repeated(
    gateway, results, open_upload, next_of, unavailable, monkeypatch
):
    monkeypatch.setattr(upload_stream, "RETRY_SECONDS", (0.01,) * 1000)
    upload = await open_upload(gateway)
    results.failures["AppendItems"] = unavailable
    await upload.send(0, "1", "2")
    await results.until(lambda: results.calls["AppendItems"] > 4)
    del results.failures["AppendItems"]
    assert (await next_of(upload.call)).stored_count == 2
    upload.call.cancel()


async def test_a_store_that_stays_unavailable_ends_the_stream(
    gateway, results, open_upload, failure_of, unavailable, quick_repeats
):
    upload = await open_upload(gateway)
    results.failures["AppendItems"] = unavailable
    await upload.send(0, "1")
    error = await failure_of(rest_of(upload.call))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert results.calls["AppendItems"] == 4  # the first call, and three attempts


@pytest.mark.parametrize(
    "fault",
    [
        ResourceExhaustedError("its disk is full", reason="STORAGE_FULL"),
        UnavailableError("it is read-only", reason="STORAGE_FAILED"),
    ],
    ids=lambda fault: fault.reason,
)
async def test_a_fault_of_the_storage_ends_the_stream_at_once_with_its_cause(
    gateway, results, open_upload, failure_of, fault
):
    upload = await open_upload(gateway)
    results.failures["AppendItems"] = fault
    calls = results.calls["AppendItems"]
    await upload.send(0, "1")
    error = await failure_of(rest_of(upload.call))
    assert (error.code, error.reason, error.message) == (fault.code, fault.reason, fault.message)
    assert results.calls["AppendItems"] == calls + 1


async def test_a_request_over_4_mb_is_refused_and_earlier_items_stay(gateway, results, open_upload, next_of):
    upload = await open_upload(gateway)
    await upload.send(0, "1")
    assert (await next_of(upload.call)).stored_count == 1
    await upload.send(1, *[json.dumps("x" * 1000)] * 4500)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rest_of(upload.call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert results.items[upload.job.job_id] == ["1"]


async def test_a_stream_reads_only_as_fast_as_the_store_accepts(gateway, results, open_upload):
    upload = await open_upload(gateway)
    results.gates["AppendItems"] = asyncio.Event()
    item = json.dumps("x" * 1000)
    sent = 0

    async def send_for_ever() -> None:
        nonlocal sent
        while True:
            await upload.send(sent, *[item] * 500)
            sent += 500

    sending = asyncio.create_task(send_for_ever())
    await results.until(lambda: results.calls["AppendItems"] == 2)
    async with asyncio.timeout(10):
        while gateway.app.uploads.budget.held < 3 * 500_000:
            await asyncio.sleep(0.01)
    for _ in range(50):  # turns of the loop in which the stream could read more
        await gateway.stub.ListKinds(ListKindsRequest())
    assert gateway.app.uploads.budget.held < 4 * MB
    sending.cancel()
    upload.call.cancel()
    results.gates.pop("AppendItems").set()
    await until_nothing_is_reserved(gateway)


async def test_streams_that_find_no_free_bytes_wait_and_do_not_fail(gateway, results, open_upload):
    gateway.app.uploads.budget.limit = 3000
    uploads = [await open_upload(gateway) for _ in range(20)]
    for upload in uploads:
        await upload.send(0, json.dumps("x" * 1000), finish=1)
    responses = await asyncio.gather(*(rest_of(upload.call) for upload in uploads))
    assert all(response[-1].stored_count == 1 for response in responses)
    await until_nothing_is_reserved(gateway)


async def test_a_client_that_reads_no_responses_delays_no_store_call(gateway, results, open_upload):
    upload = await open_upload(gateway)
    for first in range(300):
        await upload.send(first, "1")
    await upload.call.done_writing()
    await results.until(lambda: len(results.items[upload.job.job_id]) == 300)
    assert (await rest_of(upload.call))[-1].stored_count == 300


async def test_a_client_that_goes_away_leaves_nothing_behind(gateway, results, open_upload):
    upload = await open_upload(gateway)
    results.gates["AppendItems"] = asyncio.Event()
    await upload.send(0, "1")
    await results.until(lambda: results.calls["AppendItems"] == 2)
    upload.call.cancel()
    await until_nothing_is_reserved(gateway)
    results.gates.pop("AppendItems").set()


async def test_a_stopping_gateway_stores_what_it_read_and_sends_clients_elsewhere(
    start_gateway, results, open_upload, failure_of, next_of
):
    gateway = await start_gateway()
    busy, idle = await open_upload(gateway), await open_upload(gateway)
    silent = gateway.stub.AppendItems()
    await silent.initial_metadata()
    results.gates["AppendItems"] = asyncio.Event()
    await busy.send(0, "1", "2")
    await results.until(lambda: results.calls["AppendItems"] == 3)
    stopping = asyncio.create_task(gateway.app.stop())
    for call in (idle.call, silent):
        error = await failure_of(rest_of(call))
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "GATEWAY_STOPPING")
    results.gates.pop("AppendItems").set()
    assert (await next_of(busy.call)).stored_count == 2
    assert (await failure_of(rest_of(busy.call))).reason == "GATEWAY_STOPPING"
    await asyncio.wait_for(stopping, 10)


async def test_a_finish_read_before_the_gateway_stops_succeeds(start_gateway, results, open_upload):
    gateway = await start_gateway()
    upload = await open_upload(gateway)
    results.gates["AppendItems"] = asyncio.Event()
    await upload.send(0, "1", finish=1)
    await results.until(lambda: results.calls["AppendItems"] == 2)
    stopping = asyncio.create_task(gateway.app.stop())
    await asyncio.sleep(0)
    results.gates.pop("AppendItems").set()
    assert (await rest_of(upload.call))[-1].job.progress.total_count == 1
    await asyncio.wait_for(stopping, 10)


async def test_a_job_submitted_with_items_accepts_no_upload(gateway, submit, open_upload, failure_of):
    job = await submit(gateway, item_count=2)
    upload = await open_upload(gateway, job)
    assert upload.first.stored_count == 2
    await upload.send(2, "3")
    assert (await failure_of(rest_of(upload.call))).reason == "UPLOAD_CLOSED"


async def test_an_empty_upload_can_be_finished(gateway, open_upload):
    upload = await open_upload(gateway)
    await upload.call.write(AppendItemsRequest(finish=UploadFinish()))
    assert (await rest_of(upload.call))[-1].job.progress.total_count == 0
