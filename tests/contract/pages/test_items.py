"""GetItems, and results with the inputs of their items."""

import json

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from services.results.rows import item_contents
from services.stubs.results.v1 import results_pb2 as pb

MB = 1024 * 1024
INPUTS = ['{"n": 1.0}', '"\\ud800"', "12345678901234567890", "[ 1 ]"]


async def items(store, job_id, **fields):
    values = {"tenant": "default", "page_size": 1_000, "after_item_index": -1} | fields
    return await store.stub.GetItems(pb.GetItemsRequest(job_id=job_id, **values))


async def all_items(store, job_id, **fields):
    """Reads all pages. Returns the items of each page."""
    pages = []
    after = -1
    while True:
        page = await items(store, job_id, after_item_index=after, **fields)
        pages.append(list(page.items))
        if not page.has_more:
            return pages
        after = page.items[-1].item_index


async def test_items_are_returned_as_they_were_submitted_with_their_results(store):
    job = await store.create(INPUTS, item_keys=["a", "", "c", "d"], max_failed_ratio=1.0)
    worker = await store.worker()
    for lease in await worker.lease_all():
        index = lease.items[0].item_index
        if index < 2:
            await (worker.succeed(lease) if index else worker.fail(lease))
    found = (await items(store, job.job_id)).items
    assert [item.input for item in found] == INPUTS
    assert [item.item_key for item in found] == ["a", "", "c", "d"]
    assert [item.result.state for item in found[:2]] == [
        jobs_pb2.ITEM_STATE_FAILED,
        jobs_pb2.ITEM_STATE_SUCCEEDED,
    ]
    assert (found[0].result.item_key, found[0].result.input, found[1].result.output) == ("a", "", '"done"')
    assert not any(item.HasField("result") for item in found[2:])


async def test_items_are_named_by_position_and_key_in_any_order(store):
    job = await store.create(5, item_keys=list("abcde"))
    for named, expected in (
        ({"item_indexes": [3, 1, 3, 99]}, [1, 3]),
        ({"item_keys": ["e", "unknown", "a"]}, [0, 4]),
        ({"item_indexes": [2], "item_keys": ["c", "b"]}, [1, 2]),
        ({"item_keys": ["unknown"]}, []),
        ({"item_indexes": [5]}, []),
    ):
        page = await items(store, job.job_id, **named)
        assert [item.item_index for item in page.items] == expected
        assert not page.has_more
    pages = await all_items(store, job.job_id, item_indexes=[0, 2, 4], item_keys=["b"], page_size=2)
    assert [[item.item_index for item in page] for page in pages] == [[0, 1], [2, 4]]


async def test_pages_of_all_items_end_with_the_last_stored_one(store):
    job = await store.open_upload()
    assert await all_items(store, job.job_id) == [[]]
    await store.append(job.job_id, 0, 7)
    pages = await all_items(store, job.job_id, page_size=3)
    assert [[int(item.input) for item in page] for page in pages] == [[0, 1, 2], [3, 4, 5], [6]]


async def test_a_page_of_items_ends_at_1_mb(store):
    job = await store.create([json.dumps("x" * 300_000)] * 8)
    pages = await all_items(store, job.job_id)
    assert [len(page) for page in pages] == [3, 3, 2]


async def test_a_single_item_may_be_larger_than_a_page(store):
    largest = json.dumps("x" * (MB - 2))
    job = await store.create([largest, largest])
    worker = await store.worker()
    for lease in await worker.lease_all():
        await worker.record(store.record_of(lease, output=json.dumps("y" * 3 * MB)[: 3 * MB - 1] + '"'))
    found = [item for page in await all_items(store, job.job_id) for item in page]
    assert [item.input for item in found] == [largest, largest]
    assert not any(item.HasField("result") for item in found), "one message holds 4 MB"
    page = (await store.results(job.job_id, include_inputs=True)).results
    assert [(len(result.output), result.input) for result in page] == [(3 * MB, "")]


async def test_items_of_another_tenants_job_are_not_found(store):
    job = await store.create(1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await items(store, job.job_id, tenant="other")
    assert from_rpc_error(caught.value).reason == "JOB_NOT_FOUND"


async def recorded_pages(store, job_id, **fields):
    pages, after = [], None
    while True:
        page = await store.recorded(job_id, after, **fields)
        pages.append(list(page.results))
        if not page.has_more:
            return pages
        after = page.next


async def listed_pages(store, job_id, **fields):
    pages, after = [], -1
    while True:
        page = await store.results(job_id, after_item_index=after, **fields)
        pages.append(list(page.results))
        if not page.has_more:
            return pages
        after = page.results[-1].item_index


@pytest.mark.parametrize("read", [recorded_pages, listed_pages])
async def test_results_bring_their_inputs_if_asked(store, read):
    job = await store.create(INPUTS)
    worker = await store.worker()
    for lease in reversed(await worker.lease_all()):
        await worker.succeed(lease)
    (with_inputs,) = await read(store, job.job_id, include_inputs=True)
    assert {result.item_index: result.input for result in with_inputs} == dict(enumerate(INPUTS))
    (without,) = await read(store, job.job_id)
    assert {result.input for result in without} == {""}


@pytest.mark.parametrize("read", [recorded_pages, listed_pages])
async def test_inputs_count_as_bytes_of_the_page(store, read):
    job = await store.create([json.dumps("x" * 300_000)] * 8)
    worker = await store.worker()
    await worker.succeed(*await worker.lease_all())
    pages = await read(store, job.job_id, include_inputs=True)
    assert [len(page) for page in pages] == [3, 3, 2]
    assert sorted(result.item_index for page in pages for result in page) == list(range(8))
    assert [len(page) for page in await read(store, job.job_id)] == [8]


@pytest.mark.parametrize("read", [recorded_pages, listed_pages])
async def test_a_page_reads_few_blocks_of_inputs(store, read, monkeypatch):
    monkeypatch.setattr(item_contents, "MAX_READ_BYTES", 25)
    job = await store.create([f'"{index:08}"' for index in range(64)])  # blocks of 4 items, 40 bytes each
    worker = await store.worker()
    for lease in await worker.lease_all():
        await worker.succeed(lease)
    pages = await read(store, job.job_id, include_inputs=True)
    assert [len(page) for page in pages] == [4] * 16
    found = {result.item_index: result.input for page in pages for result in page}
    assert found == {index: f'"{index:08}"' for index in range(64)}


async def test_jobs_without_keys_read_their_results_with_two_statements(store, monkeypatch):
    """Keys and inputs cost nothing where they are not wanted."""
    job = await store.create(3)
    worker = await store.worker()
    await worker.succeed(*await worker.lease_all())

    async def refuse(*_, **__):
        raise AssertionError("contents of items are read")

    monkeypatch.setattr("services.results.pages.page_contents.read_item_contents", refuse)
    assert len((await store.results(job.job_id)).results) == 3
    assert len((await store.recorded(job.job_id)).results) == 3
