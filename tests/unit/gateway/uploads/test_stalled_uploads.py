"""Upload streams whose clients stop: the bytes that they hold return to the others."""

import asyncio
from contextlib import aclosing

import pytest

from headrace.errors import InvalidArgumentError, NotFoundError, UnavailableError
from headrace.gateway.v1.gateway_pb2 import AppendItemsRequest
from services.gateway.uploads import stream as upload_stream
from services.gateway.uploads.byte_budget import ByteBudget
from services.gateway.uploads.stream import UploadStream
from services.stubs.results.v1 import results_pb2
from tests.waiting import until

JOB = "0190c4c3-0000-7000-8000-000000000001"
FIRST = AppendItemsRequest(job_id=JOB)
BATCH = AppendItemsRequest(first_item_index=0, items=["1"] * 100)


class Store:
    """Stores what it is given, after ``gate`` is set, or raises ``error``."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def append_items(self, request):
        if request.items:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
        return results_pb2.AppendItemsResponse(stored_count=len(request.items))


@pytest.fixture
async def store() -> Store:
    return Store()


@pytest.fixture
def budget() -> ByteBudget:
    return ByteBudget(1000)


@pytest.fixture
def stream(store, budget) -> UploadStream:
    return UploadStream(store, lambda effects: None, budget, lambda: "tenant")


async def requests_of(*requests):
    for request in requests:
        yield request
    await asyncio.Event().wait()


async def test_bytes_of_a_wrong_batch_return_though_the_client_reads_nothing(stream, budget):
    wrong = AppendItemsRequest(first_item_index=0, items=["not JSON"])
    async with aclosing(stream.run(requests_of(FIRST, wrong))) as responses:
        await anext(responses)
        await until(lambda: stream.reading_ended)
        assert budget.held == 0
        with pytest.raises(InvalidArgumentError):
            await anext(responses)


async def test_bytes_of_a_batch_that_the_store_refuses_return_though_the_client_reads_nothing(
    stream, store, budget
):
    async with aclosing(stream.run(requests_of(FIRST, BATCH, BATCH))) as responses:
        await anext(responses)
        await until(lambda: budget.held)
        store.error = NotFoundError("there is none")
        store.gate.set()
        await until(lambda: stream.reading_ended)
        assert budget.held == 0
        with pytest.raises(NotFoundError):
            await anext(responses)
    assert budget.held == 0


async def test_a_client_that_reads_no_response_in_time_holds_no_bytes(stream, store, budget, monkeypatch):
    monkeypatch.setattr(upload_stream, "UNREAD_SECONDS", 0.01)
    async with aclosing(stream.run(requests_of(FIRST, BATCH))) as responses:
        await anext(responses)
        await until(lambda: budget.held)
        await until(lambda: not budget.held)
        assert stream.reading_ended
        with pytest.raises(UnavailableError, match="no response was read"):
            await anext(responses)


async def test_a_client_that_reads_in_time_is_not_given_up(stream, store, budget, monkeypatch):
    monkeypatch.setattr(upload_stream, "UNREAD_SECONDS", 0.05)
    store.gate.set()
    async with aclosing(stream.run(requests_of(FIRST, BATCH))) as responses:
        assert (await anext(responses)).stored_count == 0
        assert (await anext(responses)).stored_count == 100
    assert budget.held == 0
