"""Requests that cannot be read are the caller's fault, on every kind of call."""

import grpc
import pytest
from google.protobuf.message import Message

from headrace.errors import from_rpc_error
from services.stubs.worker.v1 import worker_pb2
from tests.unit.shared.serving.http2 import RawConnection, message

WORKER = "/headrace_internal.worker.v1.WorkerService/"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
INVALID_ARGUMENT = 3
NOT_UTF8 = b"\x0a\x02\xff\xfe"
NOT_PROTOBUF = b"\xff\xff\xff"
CUT_OFF = b"\x0a\x7f1"


async def read(service, kind, method, body):
    call = getattr(service.channel, kind)(method)
    if kind == "unary_unary":
        await call(body, timeout=10)
        return
    async for _ in call(iter([body]) if kind == "stream_stream" else body, timeout=10):
        pass


async def failure(*call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(*call)
    return from_rpc_error(caught.value)


@pytest.mark.parametrize("body", [NOT_UTF8, NOT_PROTOBUF, CUT_OFF])
@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("unary_unary", WORKER + "CancelJob"),
        ("unary_stream", WORKER + "StreamProgress"),
        ("stream_stream", REFLECTION),
        ("unary_unary", "/grpc.health.v1.Health/Check"),
        ("unary_stream", "/grpc.health.v1.Health/Watch"),
    ],
)
async def test_a_request_that_is_not_a_message_is_an_invalid_argument(serve, kind, method, body):
    service, _ = await serve()
    error = await failure(service, kind, method, body)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert error.message.startswith("the request is not a valid ")


@pytest.mark.parametrize("method", [b"CancelJob", b"StreamProgress"])
@pytest.mark.parametrize("body", [b"", b"\0\0\0\0\x09ab", None])
async def test_a_call_that_ends_without_its_request_is_answered(serve, method, body):
    service, _ = await serve()
    async with RawConnection(service.server.target) as raw:
        raw.call(WORKER.encode() + method, body)
        assert await raw.status() == INVALID_ARGUMENT


async def test_a_second_request_of_a_unary_call_is_ignored(serve):
    service, _ = await serve()
    async with RawConnection(service.server.target) as raw:
        raw.call(WORKER.encode() + b"CancelJob", message(b"") + message(NOT_PROTOBUF))
        assert await raw.status() == 0


async def test_a_valid_request_arrives_as_it_was_sent(serve):
    _, stub = await serve()
    request = worker_pb2.CancelJobRequest(job_id="é" * 1000)
    assert isinstance(await stub.CancelJob(request, timeout=10), Message)
