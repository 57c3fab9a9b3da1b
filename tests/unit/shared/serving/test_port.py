"""A port that gRPC closes is opened again, by the server itself."""

import asyncio
import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.shared.serving import port as serving_port
from services.shared.serving import rpc_server
from services.shared.serving.port_probe import Greeting, greeting_of
from services.stubs.worker.v1 import worker_pb2
from tests.unit.shared.serving.http2 import RawConnection, message

LOST = b"/\xff\xfe/x"


@pytest.fixture
def unguarded(monkeypatch):
    """Serves with bare grpc.aio, whose accept loop ends at a path that is not UTF-8."""
    monkeypatch.setattr(
        rpc_server,
        "GuardedServer",
        lambda interceptors, options: grpc.aio.server(interceptors=interceptors, options=options),
    )


async def lose_port(service):
    async with RawConnection(service.server.target) as raw:
        raw.call(LOST, message(b""))
        await raw.goodbye()


async def cancel_job(stub, order=""):
    return await stub.CancelJob(worker_pb2.CancelJobRequest(job_id=order), timeout=30, wait_for_ready=True)


def losses(sample, cause="UnicodeDecodeError"):
    return sample("headrace_port_losses_total", cause=cause)


async def test_a_lost_port_serves_again_within_a_second_and_streams_go_on(serve, sample, until, unguarded):
    service, stub = await serve()
    target, before = service.server.target, losses(sample)
    watch = health_pb2_grpc.HealthStub(service.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    waiting = asyncio.create_task(cancel_job(stub, "wait"))
    await asyncio.wait_for(service.entered.wait(), 10)
    async with asyncio.timeout(1):
        await lose_port(service)
        await until(lambda: losses(sample) == before + 1)
        await cancel_job(stub)
    assert service.server.target == target
    service.release.set()
    assert await waiting == worker_pb2.CancelJobResponse()
    await service.server.report_not_serving()
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_port_that_is_lost_again_and_again_serves_each_time(serve, sample, until, unguarded):
    service, stub = await serve()
    before = losses(sample)
    for count in range(1, 5):
        await lose_port(service)
        await until(lambda count=count: losses(sample) == before + count)
        await cancel_job(stub)


async def test_a_server_that_lost_its_port_still_drains(serve, sample, until, unguarded):
    service, stub = await serve()
    before = losses(sample)
    running = asyncio.create_task(cancel_job(stub, "stay"))
    await asyncio.wait_for(service.entered.wait(), 10)
    await lose_port(service)
    await until(lambda: losses(sample) == before + 1)
    await service.server.drain(0.01)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_calls_of_few_lost_ports_are_kept(serve, sample, until, unguarded, monkeypatch):
    monkeypatch.setattr(serving_port, "MAX_RETIRED", 1)
    service, stub = await serve()
    before, calls = losses(sample), []
    for count in range(1, 4):
        calls.append(asyncio.create_task(cancel_job(stub, "stay")))
        await until(lambda count=count: len(service.trace_ids) == count)
        await lose_port(service)
        await until(lambda count=count: losses(sample) == before + count)
    with pytest.raises(grpc.aio.AioRpcError):
        await asyncio.wait_for(calls[0], 10)
    assert not calls[2].done()
    calls[2].cancel()
    await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize(("greeting", "cause"), [(Greeting.REFUSED, "refused"), (Greeting.SILENT, "silent")])
async def test_a_port_that_does_not_answer_is_opened_again(
    serve, sample, until, monkeypatch, greeting, cause
):
    answers = [greeting] * serving_port.MAX_SILENT_PROBES

    ports = []  # servers of other tests may still run

    async def scripted(host, port):
        return answers.pop() if answers and port in ports else Greeting.ANSWERED

    monkeypatch.setattr(serving_port, "greeting_of", scripted)
    monkeypatch.setattr(serving_port, "PROBE_SECONDS", 0.01)
    before = losses(sample, cause)
    service, stub = await serve()
    ports.append(service.server.port)
    await until(lambda: losses(sample, cause) > before)
    answers.clear()
    await cancel_job(stub)


async def test_a_process_without_free_files_keeps_its_port(serve, sample, monkeypatch):
    looked = asyncio.Event()

    async def scripted(host, port):
        looked.set()
        return Greeting.NOT_TRIED

    monkeypatch.setattr(serving_port, "greeting_of", scripted)
    monkeypatch.setattr(serving_port, "PROBE_SECONDS", 0.001)
    before = losses(sample, "silent"), losses(sample, "refused")
    _, stub = await serve()
    await asyncio.wait_for(looked.wait(), 10)
    await cancel_job(stub)
    assert (losses(sample, "silent"), losses(sample, "refused")) == before


async def test_a_probe_tells_servers_from_closed_ports(serve):
    service, _ = await serve()
    assert await greeting_of("127.0.0.1", service.server.port) is Greeting.ANSWERED
    assert await greeting_of("0.0.0.0", service.server.port) is Greeting.ANSWERED
    await service.server.stop(0)
    assert await greeting_of("127.0.0.1", service.server.port) is Greeting.REFUSED


async def test_a_listener_that_never_greets_is_silent(monkeypatch):
    monkeypatch.setattr("services.shared.serving.port_probe.GREETING_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # the kernel accepts, and nobody answers
        assert await greeting_of("127.0.0.1", mute.getsockname()[1]) is Greeting.SILENT
