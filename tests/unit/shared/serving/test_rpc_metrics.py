from contextlib import suppress

import grpc
import pytest

from services.stubs.worker.v1 import worker_pb2

CANCEL = "WorkerService/CancelJob"
PROGRESS = "WorkerService/StreamProgress"


def order(word):
    return worker_pb2.CancelJobRequest(job_id=word)


def stream(stub, word):
    return stub.StreamProgress(worker_pb2.StreamProgressRequest(gateway=word))


@pytest.mark.parametrize(
    ("word", "timeout", "code"),
    [
        ("", 10, "OK"),
        ("miss", 10, "NOT_FOUND"),
        ("break", 10, "INTERNAL"),
        ("stay", 0.05, "DEADLINE_EXCEEDED"),
    ],
)
async def test_a_call_is_counted_and_timed_by_its_code(serve, sample, until, word, timeout, code):
    _, stub = await serve()
    labels = {"method": CANCEL, "code": code}
    before = sample("headrace_rpc_calls_total", **labels)
    timed_before = sample("headrace_rpc_call_seconds_count", **labels)
    try:
        await stub.CancelJob(order(word), timeout=timeout)
        answered = "OK"
    except grpc.aio.AioRpcError as error:
        answered = error.code().name
    await until(lambda: sample("headrace_rpc_calls_total", **labels) == before + 1)
    assert answered == code
    assert sample("headrace_rpc_call_seconds_count", **labels) == timed_before + 1


async def test_a_call_that_its_caller_gave_up_counts_as_cancelled(serve, sample, until):
    service, stub = await serve()
    labels = {"method": CANCEL, "code": "CANCELLED"}
    before = sample("headrace_rpc_calls_total", **labels)
    call = stub.CancelJob(order("stay"))
    await service.entered.wait()
    call.cancel()
    await until(lambda: sample("headrace_rpc_calls_total", **labels) == before + 1)


@pytest.mark.parametrize(("word", "code"), [("", "OK"), ("miss", "NOT_FOUND")])
async def test_a_stream_is_counted_by_its_code_and_not_timed(serve, sample, until, word, code):
    _, stub = await serve()
    labels = {"method": PROGRESS, "code": code}
    before = sample("headrace_rpc_calls_total", **labels)
    call = stream(stub, word)
    with suppress(grpc.aio.AioRpcError):
        async for _ in call:
            pass
    assert (await call.code()).name == code
    await until(lambda: sample("headrace_rpc_calls_total", **labels) == before + 1)
    assert sample("headrace_rpc_call_seconds_count", **labels) == 0


async def test_a_stream_is_open_from_its_start_until_its_reader_goes_away(serve, sample, until):
    _, stub = await serve()
    before = sample("headrace_open_streams", method=PROGRESS)
    call = stream(stub, "stay")
    await call.read()
    assert sample("headrace_open_streams", method=PROGRESS) == before + 1
    call.cancel()
    await until(lambda: sample("headrace_open_streams", method=PROGRESS) == before)


async def test_a_method_that_is_not_there_makes_no_series(serve, sample):
    service, _ = await serve()
    missing = service.channel.unary_unary("/headrace_internal.worker.v1.WorkerService/NoSuchCall")
    with pytest.raises(grpc.aio.AioRpcError):
        await missing(b"")
    assert sample("headrace_rpc_calls_total", method="WorkerService/NoSuchCall", code="UNIMPLEMENTED") == 0
