"""Keys of items, inputs with results, and GetItems, over a real in-process server with a fake store."""

import asyncio

import grpc
import pytest

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.gateway.v1.gateway_pb2 import AppendItemsRequest, UploadFinish
from services.gateway.uploads import buffer as upload_buffer
from services.gateway.uploads.buffer import MAX_BYTES_PER_CALL, store_calls

KEYS = ["a", "", "\N{GRINNING FACE}" * 256]


async def test_keys_of_a_submission_reach_the_store(gateway, results, submit):
    await submit(gateway, item_keys=KEYS)
    (request,) = results.requests["CreateJobs"]
    assert list(request.jobs[0].item_keys) == KEYS


async def test_a_submission_with_empty_keys_only_has_none(gateway, results, submit):
    first = await submit(gateway, request_id="r")
    assert (await submit(gateway, request_id="r", item_keys=["", "", ""])).job_id == first.job_id
    assert not any(request.jobs[0].item_keys for request in results.requests["CreateJobs"])


async def test_other_keys_are_other_content(gateway, submit, failure_of):
    await submit(gateway, request_id="r", item_keys=["a", "b", "c"])
    assert await submit(gateway, request_id="r", item_keys=["a", "b", "c"])
    for keys in (["a", "b", "d"], ["a", "bc", ""], []):
        error = await failure_of(submit(gateway, request_id="r", item_keys=keys))
        assert error.reason == "REQUEST_ID_REUSED"


async def test_a_submission_without_keys_has_the_content_hash_of_earlier_versions(gateway, results, submit):
    """The hash of a version without keys, which has stored jobs that may be submitted again."""
    await submit(gateway, params='{"sleep_ms":5}')
    digest = results.requests["CreateJobs"][0].jobs[0].content_hash.hex()
    assert digest == "2027d35e1268861191451de925daa4866bea4e222e9d419f238203a86876322e"


@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_key_twice_in_a_submission_is_refused(gateway, results, submit, failure_of, validate_only):
    keys = ["a", "b", "a", "b", "", "", "a", "b"]
    error = await failure_of(submit(gateway, 8, item_keys=keys, validate_only=validate_only))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ITEM_KEY_TAKEN")
    pairs = (
        "'a' is the key of items 0 and 2, 'b' is the key of items 1 and 3, 'a' is the key of items 0 and 6"
    )
    assert error.message == f"item_keys: {pairs}, and more; keys must be unique in the job"
    assert not results.calls["CreateJobs"]


async def test_long_double_keys_fit_in_an_error(gateway, submit, failure_of):
    keys = ["\N{GRINNING FACE}" * 255 + each for each in "abcabc"]
    error = await failure_of(submit(gateway, 6, item_keys=keys))
    assert error.reason == "ITEM_KEY_TAKEN"
    assert "items 0 and 3" in error.message


@pytest.mark.parametrize(
    ("keys", "field", "problem"),
    [
        (["a", "b"], "item_keys", "there are 2 keys and 3 items"),
        (["a"] * 4, "item_keys", "there are 4 keys and 3 items"),
        (["a", "b", "x" * 257], "item_keys[2]", "at most 256 characters"),
    ],
)
async def test_wrong_keys_are_named(gateway, submit, failure_of, open_upload, keys, field, problem):
    errors = [await failure_of(submit(gateway, item_keys=keys))]
    upload = await open_upload(gateway)
    await upload.call.write(AppendItemsRequest(items=["1"] * 3, item_keys=keys))
    errors.append(await failure_of(upload.call.read()))
    for error in errors:
        assert error.reason == "INVALID_FIELD"
        assert [violation.field for violation in error.violations] == [field]
        assert problem in error.violations[0].description
    assert errors[1].metadata == {"first_item_index": "0"}


async def test_an_upload_brings_its_keys_with_its_items(gateway, submit, failure_of):
    error = await failure_of(submit(gateway, upload=True, item_keys=["a"]))
    assert error.violations[0].field == "item_keys"


async def test_keys_of_an_upload_reach_the_store_with_their_items(gateway, results, open_upload, next_of):
    upload = await open_upload(gateway)
    await upload.call.write(AppendItemsRequest(items=["1", "2"], item_keys=["a", "b"]))
    assert (await next_of(upload.call)).stored_count == 2
    request = results.requests["AppendItems"][-1]
    assert (list(request.items), list(request.item_keys)) == (["1", "2"], ["a", "b"])


async def test_a_taken_key_ends_the_stream_and_leaves_the_upload_open(
    gateway, results, open_upload, failure_of, next_of
):
    upload = await open_upload(gateway)
    results.failures["AppendItems"] = InvalidArgumentError("'a' is taken", reason="ITEM_KEY_TAKEN")
    await upload.call.write(AppendItemsRequest(items=["1"], item_keys=["a"]))
    error = await failure_of(upload.call.read())
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ITEM_KEY_TAKEN")
    async with asyncio.timeout(10):
        while gateway.app.uploads.budget.held:
            await asyncio.sleep(0.01)
    del results.failures["AppendItems"]
    again = await open_upload(gateway, upload.job)
    await again.call.write(
        AppendItemsRequest(items=["1"], item_keys=["b"], finish=UploadFinish(total_count=1))
    )
    assert (await next_of(again.call)).stored_count == 1


def test_a_batch_is_split_with_its_keys():
    keys = [f"{index:0256}" for index in range(2_500)]
    batch = AppendItemsRequest(first_item_index=7, items=["1"] * 2_500, item_keys=keys)
    calls = [call.request for call in store_calls(batch, 0)]
    assert [len(call.items) for call in calls] == [len(call.item_keys) for call in calls]
    assert [key for call in calls for key in call.item_keys] == keys


def test_bytes_of_keys_count():
    keys = ["\N{GRINNING FACE}" * 250 + f"{index:06}" for index in range(4_000)]
    batch = AppendItemsRequest(items=["1"] * 4_000, item_keys=keys)
    calls = [call.request for call in store_calls(batch, 0)]
    assert max(call.ByteSize() for call in calls) <= MAX_BYTES_PER_CALL
    assert [key for call in calls for key in call.item_keys] == keys


async def test_batches_with_and_without_keys_are_stored_apart(gateway, results, open_upload, monkeypatch):
    monkeypatch.setattr(upload_buffer, "GATHER_SECONDS", 3600)
    upload = await open_upload(gateway)
    batches = [(["a", "b"], 2), (["c"], 1), ([], 1), ([], 2), (["d"], 1)]
    first = 0
    for keys, count in batches:
        await upload.call.write(
            AppendItemsRequest(first_item_index=first, items=["1"] * count, item_keys=keys)
        )
        first += count
    await upload.call.done_writing()
    while await upload.call.read() is not grpc.aio.EOF:
        pass
    stored = [request for request in results.requests["AppendItems"] if request.items]
    assert [(len(request.items), list(request.item_keys)) for request in stored] == [
        (3, ["a", "b", "c"]),
        (3, []),
        (1, ["d"]),
    ]


async def test_inputs_of_results_are_asked_for_where_the_caller_does(gateway, results, submit):
    job = await submit(gateway)
    for wanted in (False, True):
        await gateway.stub.GetResults(gateway_pb2.GetResultsRequest(job_id=job.job_id, include_inputs=wanted))
        call = gateway.stub.StreamResults(
            gateway_pb2.StreamResultsRequest(job_id=job.job_id, include_inputs=wanted)
        )
        await call.initial_metadata()
        call.cancel()
        assert results.requests["ListResults"][-1].include_inputs is wanted
        assert results.requests["ListRecordedResults"][-1].include_inputs is wanted


async def test_a_page_token_of_results_is_good_with_and_without_inputs(gateway, submit):
    job = await submit(gateway)
    first = await gateway.stub.GetResults(gateway_pb2.GetResultsRequest(job_id=job.job_id, page_size=1))
    request = gateway_pb2.GetResultsRequest(
        job_id=job.job_id, page_token=first.next_page_token, include_inputs=True
    )
    assert [result.item_index for result in (await gateway.stub.GetResults(request)).results] == [1, 2]


async def test_items_are_read_page_by_page(gateway, submit):
    job = await submit(gateway, 5)
    request = gateway_pb2.GetItemsRequest(job_id=job.job_id.upper(), page_size=2)
    pages = []
    while True:
        page = await gateway.stub.GetItems(request)
        pages.append([item.item_index for item in page.items])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert pages == [[0, 1], [2, 3], [4]]


async def test_a_page_token_of_items_is_bound_to_its_query(gateway, submit, failure_of):
    job = await submit(gateway, 5)
    query = {"job_id": job.job_id, "page_size": 1}
    page = await gateway.stub.GetItems(gateway_pb2.GetItemsRequest(**query, item_indexes=[3, 1, 3]))
    token = page.next_page_token
    same = gateway_pb2.GetItemsRequest(**query, item_indexes=[1, 3], page_token=token)
    assert [item.item_index for item in (await gateway.stub.GetItems(same)).items] == [3]
    for other in ({}, {"item_indexes": [1]}, {"item_indexes": [1, 3], "item_keys": ["a"]}):
        request = gateway_pb2.GetItemsRequest(**query, **other, page_token=token)
        assert (await failure_of(gateway.stub.GetItems(request))).reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"item_indexes": [-1]}, "item_indexes[0]"),
        ({"item_indexes": range(1_001)}, "item_indexes"),
        ({"item_keys": [""]}, "item_keys[0]"),
        ({"item_keys": ["x" * 257]}, "item_keys[0]"),
        ({"item_keys": [str(number) for number in range(1_001)]}, "item_keys"),
        ({"page_size": -1}, "page_size"),
    ],
)
async def test_wrong_names_of_items_are_refused(gateway, submit, failure_of, fields, field):
    job = await submit(gateway)
    error = await failure_of(gateway.stub.GetItems(gateway_pb2.GetItemsRequest(job_id=job.job_id, **fields)))
    assert (error.reason, error.violations[0].field) == ("INVALID_FIELD", field)


async def test_items_of_an_unknown_job_are_not_found(gateway, submit, failure_of):
    job = await submit(gateway, tenant="theirs")
    error = await failure_of(gateway.stub.GetItems(gateway_pb2.GetItemsRequest(job_id=job.job_id)))
    assert error.code is grpc.StatusCode.NOT_FOUND


async def test_keys_of_a_retry_reach_the_store(gateway, results, submit):
    job = await submit(gateway)
    await gateway.stub.RetryJob(gateway_pb2.RetryJobRequest(job_id=job.job_id, item_keys=["a", "b"]))
    assert list(results.requests["RetryJob"][0].item_keys) == ["a", "b"]
