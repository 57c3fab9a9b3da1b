"""Requests of random bytes, and valid ones with some bytes changed: none is a fault of the server."""

import asyncio
import random

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.gateway.v1 import gateway_pb2

JOB = "0190c4c3-0000-7000-8000-000000000001"
SERVICE = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"]
VALID = [
    gateway_pb2.SubmitJobRequest(kind="noop", items=["1", '{"a":"b"}'], params="{}", request_id="x"),
    gateway_pb2.SubmitJobRequest(kind="noop", items=["1"], name="n", labels={"a": "b", "c": ""}),
    gateway_pb2.WatchJobsRequest(kind="noop", states=[1], labels={"a": "b"}, resume_token="x"),
    gateway_pb2.GetJobRequest(job_id=JOB),
    gateway_pb2.ListJobsRequest(page_size=10, kind="noop", page_token="x"),
    gateway_pb2.GetResultsRequest(job_id=JOB, page_size=3),
    gateway_pb2.GetItemsRequest(job_id=JOB, item_indexes=[1], item_keys=["a"]),
    gateway_pb2.ResumeJobRequest(job_id=JOB, budget_micros=5),
    gateway_pb2.RetryJobRequest(job_id=JOB, reasons=["A"], item_indexes=[1]),
    gateway_pb2.AppendItemsRequest(job_id=JOB, first_item_index=3, items=["1"]),
]
FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


def bodies(seed: int) -> list[bytes]:
    """Returns random bytes, and valid requests of all methods with a few bytes changed."""
    chosen = random.Random(seed)
    found = [chosen.randbytes(chosen.randrange(1, 40)) for _ in range(10)]
    for request in VALID:
        body = bytearray(request.SerializeToString())
        for _ in range(chosen.randrange(3)):
            body[chosen.randrange(len(body))] = chosen.randrange(256)
        found.append(bytes(body))
    return found


async def outcome(channel, method, body: bytes):
    """Returns the error of a call. None if it succeeds, or streams on."""
    path = f"/{SERVICE.full_name}/{method.name}"
    try:
        async with asyncio.timeout(2):
            if method.name == "AppendItems":
                async for _ in channel.stream_stream(path)(iter([body, body]), timeout=1):
                    pass
            elif method.name in ("WatchJob", "WatchJobs", "StreamResults"):
                await channel.unary_stream(path)(body, timeout=1).read()
            else:
                await channel.unary_unary(path)(body, timeout=1)
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    return None


@pytest.mark.parametrize("method", list(SERVICE.methods), ids=lambda method: method.name)
async def test_no_request_is_a_fault_of_the_server(gateway, method):
    seen = [body for seed in range(4) for body in bodies(seed)]
    errors = await asyncio.gather(*(outcome(gateway.channel, method, body) for body in seen))
    for body, error in zip(seen, errors, strict=True):
        assert error is None or error.code not in FAULTS, (body, error)
        assert error is None or error.answered or error.code is grpc.StatusCode.DEADLINE_EXCEEDED, (
            body,
            error,
        )
