"""Calls that no client library makes: each has a status, and the server answers the next call."""

import grpc
import pytest

from headrace.errors import from_rpc_error
from services.stubs.worker.v1 import worker_pb2
from tests.unit.shared.serving.http2 import RawConnection, message

CANCEL = b"/headrace_internal.worker.v1.WorkerService/CancelJob"
OK, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 4, 8, 12, 13

PATHS = [
    b"/\xff\xfe/x",
    b"\xff",
    b"",
    b"x",
    b"/",
    b"/a\0b/c",
    b"/\xed\xa0\x80/c",
    b"/" + b"a" * 6000,
    "/é/x".encode(),
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_of_any_bytes_is_an_unknown_method(serve, sample, until, path):
    service, stub = await serve()
    unknown = {"method": "Unknown/Unknown", "code": "UNIMPLEMENTED"}
    before = sample("headrace_rpc_calls_total", **unknown)
    async with RawConnection(service.server.target) as raw:
        raw.call(path, message(b""))
        assert await raw.status() == UNIMPLEMENTED
    await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)
    await until(lambda: sample("headrace_rpc_calls_total", **unknown) == before + 1)


async def test_an_unknown_method_has_a_reason(serve):
    service, _ = await serve()
    call = service.channel.unary_unary("/headrace.gateway.v1.GatewayService/Nothing")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", timeout=10)
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")


ODD_HEADERS = {
    "metadata that is not UTF-8": ((b"authorization", b"Bearer \xff\xfe"), {OK}),
    "a tenant that is not UTF-8": ((b"headrace-tenant", b"\xff"), {OK}),
    "a traceparent that is not UTF-8": ((b"traceparent", b"\xff"), {OK}),
    "a name that is not UTF-8": ((b"a\xff", b"b"), {OK, INTERNAL}),
    "a name in upper case": ((b"Abc", b"b"), {OK, INTERNAL}),
    "binary metadata that is not base64": ((b"a-bin", b"!!!"), {OK, INTERNAL}),
    "a second path": ((b":path", b"/x"), {OK, UNIMPLEMENTED, INTERNAL}),
    "an unknown encoding": ((b"grpc-encoding", b"zzz"), {OK, UNIMPLEMENTED, INTERNAL}),
    "a timeout that is no number": ((b"grpc-timeout", b"zz"), {OK, INTERNAL}),
    "a timeout of zero": ((b"grpc-timeout", b"0n"), {DEADLINE_EXCEEDED}),
    "huge metadata": ((b"x", b"y" * 12_000), {OK, RESOURCE_EXHAUSTED, INTERNAL}),
}


@pytest.mark.parametrize(("header", "statuses"), ODD_HEADERS.values(), ids=ODD_HEADERS)
async def test_odd_headers_harm_no_other_call(serve, header, statuses):
    service, stub = await serve()
    async with RawConnection(service.server.target) as raw:
        raw.call(CANCEL, message(b""), header)
        assert await raw.status() in statuses, "INTERNAL comes from gRPC's core alone"
    await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)


async def test_garbage_instead_of_http2_harms_no_other_connection(serve):
    service, stub = await serve()
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"\xff" * 10_000, b"PRI * HTTP/2.0\r\n"):
        async with RawConnection(service.server.target) as raw:
            raw.send(garbage)
            await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)
