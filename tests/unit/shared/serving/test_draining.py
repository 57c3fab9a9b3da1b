"""A server that drains: its calls end with their answers or with UNAVAILABLE, and new ones are refused."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headrace.errors import from_rpc_error
from services.stubs.worker.v1 import worker_pb2

LONG = 30.0


async def begin_unary(stub, order):
    return await stub.CancelJob(worker_pb2.CancelJobRequest(job_id=order), timeout=LONG)


async def read_stream(stub, order):
    return [each async for each in stub.StreamProgress(worker_pb2.StreamProgressRequest(gateway=order))]


async def how_it_failed(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call, LONG)
    return caught.value.code(), from_rpc_error(caught.value).reason


STOPPING = (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")


@pytest.mark.parametrize("begin", [begin_unary, read_stream])
async def test_new_calls_are_refused_while_others_end_and_health_says_why(serve, begin):
    service, stub = await serve()
    health = health_pb2_grpc.HealthStub(service.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    running = asyncio.create_task(begin(stub, "stay"))
    await asyncio.wait_for(service.entered.wait(), LONG)
    draining = asyncio.create_task(service.server.drain(LONG))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await how_it_failed(begin(stub, "")) == STOPPING
    answer = await health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert not draining.done()
    running.cancel()
    await asyncio.wait_for(draining, LONG)  # though somebody watches its health


@pytest.mark.parametrize("begin", [begin_unary, read_stream])
async def test_calls_that_outlast_the_grace_end_as_unavailable(serve, begin):
    service, stub = await serve()
    running = asyncio.create_task(begin(stub, "stay"))
    await asyncio.wait_for(service.entered.wait(), LONG)
    await service.server.drain(0.01)
    assert await how_it_failed(running) == STOPPING


async def test_a_call_that_ends_within_the_grace_gets_its_own_answer(serve):
    service, stub = await serve()
    running = asyncio.create_task(begin_unary(stub, "wait"))
    await asyncio.wait_for(service.entered.wait(), LONG)
    draining = asyncio.create_task(service.server.drain(LONG))
    assert await how_it_failed(begin_unary(stub, "")) == STOPPING
    service.release.set()
    assert await running == worker_pb2.CancelJobResponse()
    await asyncio.wait_for(draining, LONG)


async def test_an_idle_server_drains_at_once(serve):
    service, stub = await serve()
    await begin_unary(stub, "")
    await asyncio.wait_for(service.server.drain(3600), LONG)


async def test_a_stream_that_nobody_reads_holds_nothing_up(serve):
    service, stub = await serve()
    stream = stub.StreamProgress(worker_pb2.StreamProgressRequest(gateway="flood"))
    await asyncio.wait_for(service.entered.wait(), LONG)
    await asyncio.wait_for(service.server.drain(3600), LONG)
    stream.cancel()
