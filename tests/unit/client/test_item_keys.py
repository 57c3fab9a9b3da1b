"""Keys of items in submit, uploads, results, items and retry."""

import asyncio

import grpc
import pytest

from headrace import InvalidArgumentError, Item, SyncClient, read_items
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

LARGE = "x" * 50_000


def rows(count, begin=0):
    for number in range(begin, begin + count):
        yield {"id": number, "text": LARGE}


async def stream(items):
    for item in items:
        yield item


def openings(gateway):
    return gateway.requests_of(gateway_pb2.SubmitJobRequest)


def batches(gateway):
    return [r for r in gateway.requests_of(gateway_pb2.AppendItemsRequest) if r.items]


async def test_each_item_is_submitted_with_its_key(client, gateway):
    await client.submit("noop", [{"id": 7}, {"id": "b"}], key="id")
    (request,) = openings(gateway)
    assert list(request.items) == ['{"id":7}', '{"id":"b"}']
    assert list(request.item_keys) == ["7", "b"]


async def test_without_a_key_the_request_is_as_before(client, gateway):
    await client.submit("noop", [{"id": 7}])
    assert not openings(gateway)[0].item_keys


async def test_estimates_check_keys_too(client, gateway):
    await client.estimate("noop", rows(200), key="id")
    assert [key for request in openings(gateway) for key in request.item_keys] == [
        str(number) for number in range(200)
    ]
    with pytest.raises(InvalidArgumentError, match="empty or missing"):
        await client.estimate("noop", [{"id": None}], key="id")


async def test_many_items_are_uploaded_with_their_keys(client, gateway, job_id):
    await client.submit("noop", rows(200), key="id")
    assert gateway.uploads[job_id].keys == [str(number) for number in range(200)]
    assert all(len(batch.items) == len(batch.item_keys) for batch in batches(gateway))
    assert not openings(gateway)[0].item_keys


async def test_bytes_of_keys_count_in_requests(client, gateway, job_id):
    items = [{"id": f"{number:0250}"} for number in range(12_000)]  # 3 MB of items, 3 MB of keys
    await client.submit("noop", items, key=lambda item: item["id"])
    assert gateway.uploads[job_id].keys == [item["id"] for item in items]
    assert max(batch.ByteSize() for batch in batches(gateway)) <= 256 * 1024


async def test_an_async_generator_is_uploaded_with_its_keys(client, gateway, job_id):
    await client.submit("noop", stream([{"id": 1}, {"id": 2}]), key="id")
    assert gateway.uploads[job_id].keys == ["1", "2"]


async def test_an_upload_that_breaks_sends_each_key_with_its_item(client, gateway, job_id):
    gateway.break_upload(after=3)
    gateway.break_upload(grpc.StatusCode.UNAVAILABLE, after=4, lose_answers=True)
    await client.submit("noop", rows(200), key="id")
    assert gateway.uploads[job_id].keys == [str(number) for number in range(200)]


async def test_a_repeated_submit_continues_the_upload_with_its_keys(client, gateway, job_id):
    def interrupted():
        yield from rows(150)
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="gone"):
        await client.submit("noop", interrupted(), key="id", request_id="r")
    await client.submit("noop", rows(200), key="id", request_id="r")
    assert gateway.uploads[job_id].keys == [str(number) for number in range(200)]


async def test_a_key_twice_in_the_first_items_is_found_before_anything_is_sent(client, gateway):
    for items in (
        [{"id": 1}, {"id": 2}, {"id": "1"}],
        [{"id": 1}, {"id": 2}, {"id": 1}, *rows(200, begin=9)],
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            await client.submit("noop", items, key="id")
        assert caught.value.reason == "ITEM_KEY_TAKEN"
        assert caught.value.message == (
            "item_keys: '1' is the key of items 0 and 2; keys must be unique in the job"
        )
    assert not gateway.requests


async def test_a_key_twice_later_is_refused_by_the_gateway(client, gateway, job_id):
    def doubled():
        yield from rows(150)
        yield from rows(1)

    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", doubled(), key="id", request_id="r")
    assert caught.value.reason == "ITEM_KEY_TAKEN"
    assert not gateway.uploads[job_id].closed


async def test_a_wrong_key_of_a_batch_is_named_by_its_position_in_the_job(client, gateway):
    error = InvalidArgumentError(
        "item_keys[1]: must be at most 256 characters long", metadata={"first_item_index": "70"}
    )
    gateway.break_upload(error)
    with pytest.raises(InvalidArgumentError, match=r"item_keys\[71\]"):
        await client.submit("noop", rows(100), key="id")


async def test_a_missing_key_in_an_upload_is_named_and_leaves_it_open(client, gateway, job_id):
    def broken():
        yield from rows(150)
        yield {"id": ""}

    with pytest.raises(InvalidArgumentError, match="item 150 field 'id'"):
        await client.submit("noop", broken(), key="id")
    assert len(gateway.uploads[job_id].items) == 150
    assert not gateway.uploads[job_id].closed


@pytest.mark.parametrize("kind", ["list", "generator", "items", "file", "stream"])
async def test_the_sync_client_sends_keys_of_every_source(gateway, tmp_path, kind):
    path = tmp_path / "rows.csv"
    path.write_text("id,title\n1,Cook\n2,Nurse\n")
    listed = [{"id": 1}, {"id": 2}]
    source = {
        "list": listed,
        "generator": (row for row in listed),
        "items": read_items(listed),
        "file": path,
        "stream": stream(listed),
    }[kind]

    def submit():
        with SyncClient(gateway.target) as hr:
            return hr.submit("noop", source, key="id")

    job = await asyncio.to_thread(submit)
    upload = gateway.uploads.get(job.job_id)
    assert (upload is not None) == (kind == "stream")
    assert (upload.keys if upload else list(openings(gateway)[0].item_keys)) == ["1", "2"]


async def test_a_function_of_the_key_runs_in_the_thread_of_the_caller(gateway):
    import threading

    threads = set()

    def key(item):
        threads.add(threading.current_thread())
        return item

    def submit():
        with SyncClient(gateway.target) as hr:
            hr.submit("noop", ["a", "b"], key=key)
        return threading.current_thread()

    assert threads == {await asyncio.to_thread(submit)}


@pytest.mark.parametrize("follow", [False, True])
async def test_results_have_keys_and_inputs(client, gateway, make_job, make_result, job_id, follow):
    first, second = make_result(0), make_result(1, error="BAD")
    first.item_key, first.input = "a", '{"n": 1.0}'
    gateway.recorded = [(1, first), (1, second)]
    gateway.script_results(2, job=make_job(state="SUCCEEDED"))
    found = [r async for r in client.results(job_id, follow=follow, include_inputs=True)]
    assert [(r.item_key, r.input, r.input_text) for r in found] == [
        ("a", {"n": 1.0}, '{"n": 1.0}'),
        ("", None, ""),
    ]
    assert gateway.requests[-1].include_inputs


async def test_results_bring_no_inputs_unless_asked(client, gateway, job_id):
    assert [r async for r in client.results(job_id)] == []
    assert not gateway.requests[-1].include_inputs


def item_message(index, result=None):
    return jobs_pb2.Item(item_index=index, item_key=f"key-{index}", input=f'{{"n": {index}}}', result=result)


async def test_items_are_read_back_page_by_page(client, gateway, make_result, job_id):
    gateway.items = [item_message(0, make_result(0)), item_message(1), item_message(2)]
    found = [item async for item in client.items(job_id)]
    assert found[1] == Item(1, "key-1", {"n": 1}, None, '{"n": 1}')
    assert [item.item_index for item in found] == [0, 1, 2]
    assert found[0].result.output == {"label": "a"}


async def test_items_are_named_by_index_and_key(client, gateway, job_id):
    gateway.items = [item_message(index) for index in range(5)]
    for names, expected in (
        ({"indexes": [3, 1]}, [1, 3]),
        ({"keys": ["key-4", "unknown"]}, [4]),
        ({"keys": "key-2"}, [2]),
        ({"indexes": [0], "keys": ["key-0", "key-1"]}, [0, 1]),
    ):
        assert [item.item_index async for item in client.items(job_id, **names)] == expected


async def test_numbers_name_keys(client, gateway, job_id):
    assert [item async for item in client.items(job_id, keys=[7, 8.5, 7])] == []
    assert list(gateway.requests[-1].item_keys) == ["7", "8.5"]


async def test_more_than_1_000_names_take_more_calls_and_return_each_item_once(client, gateway, job_id):
    gateway.items = [item_message(index) for index in range(3)]
    keys = [f"key-{index}" for index in range(2_500)]
    found = [item.item_index async for item in client.items(job_id, keys=keys, indexes=[*range(3, 1_200), 0])]
    assert sorted(found) == [0, 1, 2]
    requests = gateway.requests_of(gateway_pb2.GetItemsRequest)
    assert max(len(request.item_keys) for request in requests) == 1_000
    assert max(len(request.item_indexes) for request in requests) == 1_000


@pytest.mark.parametrize("key", ["", None, True, ["a"], "a\ud83d", "x" * 257])
async def test_names_that_are_no_keys_are_refused(client, job_id, key):
    with pytest.raises(InvalidArgumentError, match=r"keys\[1\]"):
        await client.retry(job_id, keys=["a", key])
    with pytest.raises(InvalidArgumentError, match=r"keys\[1\]"):
        await anext(client.items(job_id, keys=["a", key]))


async def test_a_retry_names_items_by_key(client, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="FAILED")]
    await client.retry(job_id, keys=["a", 7])
    assert list(gateway.requests[-1].item_keys) == ["a", "7"]
