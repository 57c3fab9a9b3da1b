"""Half-sent requests end: late ones always, all others while memory is short."""

import asyncio
from time import monotonic

import grpc
import pytest

from headrace.errors import UnavailableError
from services.shared.serving import receiving as receiving_module
from services.shared.serving.receiving import ARRIVAL_SECONDS, Receiving, memory_limit, used_memory
from services.stubs.worker.v1 import worker_pb2
from tests.unit.shared.serving.http2 import RawConnection

CANCEL = b"/headrace_internal.worker.v1.WorkerService/CancelJob"
HALF = b"\0\0\0\1\0" + b"x" * 100
UNAVAILABLE = 14


class Caller:
    """Stands in for the context and the requests of a call."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[str] = asyncio.Queue()

    async def read(self) -> str:
        return await self.requests.get()

    __anext__ = read


@pytest.fixture
def memory() -> dict[str, int]:
    return {"used": 0}


@pytest.fixture
def receiving(memory) -> Receiving:
    return Receiving(lambda: memory["used"], limit=100)


async def begin(wait):
    task = asyncio.create_task(wait)
    await asyncio.sleep(0)
    return task


async def test_a_request_that_arrives_is_returned(receiving):
    caller = Caller()
    reading = await begin(receiving.read(caller))
    receiving.check(monotonic())
    caller.requests.put_nowait("request")
    assert await reading == "request"


async def test_a_unary_request_that_is_late_ends_its_call_and_a_stream_may_wait(receiving):
    reading, following = await begin(receiving.read(Caller())), await begin(receiving.next(Caller()))
    receiving.check(monotonic() + ARRIVAL_SECONDS - 1)
    await asyncio.sleep(0)
    assert not reading.done()
    receiving.check(monotonic() + ARRIVAL_SECONDS)
    with pytest.raises(UnavailableError, match="did not arrive within 30 s"):
        await reading
    assert not following.done()
    following.cancel()


async def test_while_memory_is_short_calls_that_still_receive_end(receiving, memory, sample):
    before = sample("headrace_requests_shed_total", cause="memory")
    reading, following = await begin(receiving.read(Caller())), await begin(receiving.next(Caller()))
    memory["used"] = 101
    receiving.check(monotonic())
    await asyncio.sleep(0)
    assert not any(task.done() for task in (reading, following)), "they have just begun"
    receiving.check(monotonic() + 2)
    for task in (reading, following):
        with pytest.raises(UnavailableError, match="short of memory"):
            await task
    assert sample("headrace_requests_shed_total", cause="memory") == before + 2


async def test_a_call_that_its_client_cancels_stays_cancelled(receiving):
    reading = await begin(receiving.read(Caller()))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_half_a_message_is_answered_on_a_real_server(serve, monkeypatch):
    monkeypatch.setattr(receiving_module, "CHECK_SECONDS", 0.01)
    service, stub = await serve()
    service.server._receiving._arrival_seconds = 0.05
    async with RawConnection(service.server.target) as raw:
        raw.call(CANCEL, HALF, ends=False)
        assert await raw.status() == UNAVAILABLE
    await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)


async def test_many_half_messages_end_while_memory_is_short_and_others_are_served(serve, monkeypatch):
    monkeypatch.setattr(receiving_module, "CHECK_SECONDS", 0.01)
    service, stub = await serve()
    receiving = service.server._receiving
    async with RawConnection(service.server.target) as raw:
        for _ in range(20):
            raw.call(CANCEL, HALF, ends=False)
        async with asyncio.timeout(10):
            while len(receiving._unary) < 20:
                await asyncio.sleep(0.001)
        receiving._limit = 1
        assert await raw.status() == UNAVAILABLE
        async with asyncio.timeout(10):
            while receiving._unary:
                await asyncio.sleep(0.001)
    await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)


async def test_a_large_request_arrives_whole(serve):
    _, stub = await serve()
    request = worker_pb2.CancelJobRequest(job_id="x" * 15_000_000)
    assert await stub.CancelJob(request, timeout=30) == worker_pb2.CancelJobResponse()


async def test_a_request_that_is_too_large_is_refused(serve):
    _, stub = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CancelJob(worker_pb2.CancelJobRequest(job_id="x" * 17_000_000), timeout=30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_memory_of_this_process_is_read():
    assert 10_000_000 < used_memory() < 10_000_000_000


@pytest.mark.parametrize(
    ("content", "limit"),
    [
        (None, 512 * 2**20),
        ("max\n", 512 * 2**20),
        ("268435456\n", 214_748_364),
        ("8589934592\n", 512 * 2**20),
    ],
)
def test_the_limit_of_a_container_lowers_that_of_memory(tmp_path, monkeypatch, content, limit):
    file = tmp_path / "memory.max"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(receiving_module, "_MEMORY_OF_CONTAINER", file)
    assert memory_limit() == limit


@pytest.mark.parametrize(
    ("used_before_mb", "limit_mb"), [(0, 512), (100, 512), (256, 512), (400, 656), (4000, 4256)]
)
def test_a_process_that_was_large_before_its_server_has_memory_for_requests(
    tmp_path, monkeypatch, used_before_mb, limit_mb
):
    monkeypatch.setattr(receiving_module, "_MEMORY_OF_CONTAINER", tmp_path / "none")
    assert memory_limit(used_before_mb * 2**20) == limit_mb * 2**20


async def test_a_slow_request_of_a_large_process_is_waited_for(monkeypatch, tmp_path, memory):
    monkeypatch.setattr(receiving_module, "_MEMORY_OF_CONTAINER", tmp_path / "none")
    memory["used"] = 700 * 2**20
    receiving = Receiving(lambda: memory["used"])
    reading = await begin(receiving.read(Caller()))
    receiving.check(monotonic() + 1)
    await asyncio.sleep(0)
    assert not reading.done()
    memory["used"] += 300 * 2**20
    receiving.check(monotonic() + 1)
    with pytest.raises(UnavailableError):
        await reading
