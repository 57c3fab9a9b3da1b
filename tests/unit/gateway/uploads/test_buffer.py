"""The buffer gathers the items of an upload into calls to the store."""

import asyncio

import pytest

from headrace.gateway.v1.gateway_pb2 import AppendItemsRequest, UploadFinish
from services.gateway.uploads import buffer as upload_buffer
from services.gateway.uploads.buffer import MAX_BYTES_PER_CALL, UploadBuffer, store_calls

MB = 1024 * 1024


@pytest.fixture
def forever(monkeypatch):
    """Disables the end of gathering by time."""
    monkeypatch.setattr(upload_buffer, "GATHER_SECONDS", 3600)


@pytest.fixture
async def buffer() -> UploadBuffer:
    return UploadBuffer()


def batch(first: int, count: int, *, text: str = "1", finish: int | None = None) -> AppendItemsRequest:
    end = None if finish is None else UploadFinish(total_count=finish)
    return AppendItemsRequest(first_item_index=first, items=[text] * count, finish=end)


def ranges(calls) -> list[tuple[int, int]]:
    return [(call.request.first_item_index, len(call.request.items)) for call in calls]


async def put(buffer, *batches, reserved_bytes: int = 0) -> None:
    for one in batches:
        for call in store_calls(one, reserved_bytes):
            await buffer.put(call)


async def taken(buffer) -> list:
    calls = []
    async with asyncio.timeout(10):
        while (call := await buffer.take()) is not None:
            calls.append(call)
    return calls


async def blocked(work: asyncio.Task) -> bool:
    for _ in range(10):
        await asyncio.sleep(0)
    return not work.done()


def test_a_batch_is_split_into_calls_of_1_000_items():
    assert ranges(store_calls(batch(7, 2500), 0)) == [(7, 1000), (1007, 1000), (2007, 500)]


def test_a_batch_is_split_into_calls_of_1_mb_and_nothing_is_lost():
    sent = batch(0, 40, text='"' + "x" * 100_000 + '"')
    calls = list(store_calls(sent, 0))
    assert all(call.request.ByteSize() <= MAX_BYTES_PER_CALL for call in calls)
    assert [item for call in calls for item in call.request.items] == list(sent.items)
    starts = ranges(calls)
    assert [first for first, _ in starts] == [sum(n for _, n in starts[:i]) for i in range(len(starts))]


def test_an_item_of_1_mb_goes_alone():
    calls = list(store_calls(AppendItemsRequest(items=["1", "x" * MB, "2"]), 0))
    assert ("x" * MB,) in [tuple(call.request.items) for call in calls]
    assert sum(len(call.request.items) for call in calls) == 3


def test_the_end_and_the_bytes_of_a_batch_go_with_its_last_call():
    calls = list(store_calls(batch(0, 1500, finish=1500), 99))
    assert [call.request.HasField("finish_total_count") for call in calls] == [False, True]
    assert [call.reserved_bytes for call in calls] == [0, 99]


def test_a_batch_without_items_is_one_call_whatever_its_first_item_index():
    [call] = store_calls(AppendItemsRequest(first_item_index=50), 3)
    assert (call.request.first_item_index, call.reserved_bytes) == (0, 3)


async def test_batches_that_follow_each_other_become_one_call(buffer, forever):
    await put(buffer, batch(0, 10), batch(10, 20), batch(30, 5), reserved_bytes=7)
    buffer.close()
    [call] = await taken(buffer)
    assert ranges([call]) == [(0, 35)]
    assert call.reserved_bytes == 21


@pytest.mark.parametrize("first", [11, 9, 0], ids=["gap", "overlap", "again"])
async def test_batches_that_do_not_follow_each_other_stay_separate_calls(buffer, forever, first):
    await put(buffer, batch(0, 10), batch(first, 10))
    buffer.close()
    assert ranges(await taken(buffer)) == [(0, 10), (first, 10)]


async def test_a_call_never_grows_beyond_1_000_items_or_1_mb(buffer, forever):
    putting = asyncio.create_task(
        put(buffer, batch(0, 600), batch(600, 600), batch(1200, 3, text="x" * 500_000))
    )
    calls = [await buffer.take() for _ in range(2)]
    await putting
    buffer.close()
    calls += await taken(buffer)
    assert ranges(calls) == [(0, 600), (600, 601), (1201, 2)]


async def test_a_finish_goes_alone_so_that_its_refusal_does_not_affect_earlier_items(buffer, forever):
    await put(buffer, batch(0, 10), batch(0, 0, finish=99))
    buffer.close()
    calls = await taken(buffer)
    assert [call.request.HasField("finish_total_count") for call in calls] == [False, True]


async def test_a_full_call_is_taken_at_once(buffer, forever):
    await put(buffer, batch(0, 1000))
    assert ranges([await asyncio.wait_for(buffer.take(), 10)]) == [(0, 1000)]


async def test_a_call_that_is_not_full_is_taken_after_the_gathering_time(buffer, monkeypatch):
    monkeypatch.setattr(upload_buffer, "GATHER_SECONDS", 0.01)
    await put(buffer, batch(0, 3))
    assert ranges([await asyncio.wait_for(buffer.take(), 10)]) == [(0, 3)]


async def test_a_call_that_is_not_full_waits_for_more_items(buffer, forever):
    await put(buffer, batch(0, 3))
    taking = asyncio.create_task(buffer.take())
    assert await blocked(taking)
    await put(buffer, batch(3, 997))
    assert ranges([await asyncio.wait_for(taking, 10)]) == [(0, 1000)]


async def test_putting_waits_while_a_full_call_is_not_taken(buffer, forever):
    await put(buffer, batch(0, 1000))
    putting = asyncio.create_task(put(buffer, batch(1000, 1)))
    assert await blocked(putting)
    await buffer.take()
    await asyncio.wait_for(putting, 10)


async def test_nothing_is_taken_from_an_empty_closed_buffer(buffer):
    taking = asyncio.create_task(buffer.take())
    assert await blocked(taking)
    buffer.close()
    assert await asyncio.wait_for(taking, 10) is None
