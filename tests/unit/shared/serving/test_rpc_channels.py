"""Channels between services: no proxy, and pings that find silent connections."""

import asyncio

import grpc
import pytest

from services.shared.serving import rpc_client, rpc_server
from services.shared.serving.rpc_client import open_channel
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc
from tests.chaos.proxy import Link

PROXY_NAMES = ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy")
REQUEST = worker_pb2.CancelJobRequest(job_id="any")
QUICK_PINGS = tuple(
    {
        **dict(rpc_server.KEEPALIVE_OPTIONS),
        "grpc.keepalive_time_ms": 1_000,
        "grpc.keepalive_timeout_ms": 3_000,
        "grpc.http2.ping_timeout_ms": 3_000,
    }.items()
)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_channel_between_services_ignores_proxies(monkeypatch, serve, host):
    for name in PROXY_NAMES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    service, _ = await serve()
    async with open_channel(f"{host}:{service.server.port}") as channel:
        await worker_pb2_grpc.WorkerServiceStub(channel).CancelJob(REQUEST, timeout=10)


async def test_a_silent_connection_between_services_is_replaced(monkeypatch, serve):
    monkeypatch.setattr(rpc_client, "KEEPALIVE_OPTIONS", QUICK_PINGS)
    service, _ = await serve()
    link = Link(service.server.port)
    await link.open()
    async with open_channel(f"127.0.0.1:{link.port}") as channel, asyncio.timeout(20):
        stub = worker_pb2_grpc.WorkerServiceStub(channel)
        await stub.CancelJob(REQUEST)
        link.silence()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CancelJob(REQUEST)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await stub.CancelJob(REQUEST, wait_for_ready=True)
    await link.close()


async def test_a_server_ends_the_streams_of_a_caller_that_silently_vanished(
    monkeypatch, serve, sample, until
):
    monkeypatch.setattr(rpc_server, "KEEPALIVE_OPTIONS", QUICK_PINGS)
    service, _ = await serve()
    link = Link(service.server.port)
    await link.open()
    async with open_channel(f"127.0.0.1:{link.port}") as channel:
        call = worker_pb2_grpc.WorkerServiceStub(channel).StreamProgress(
            worker_pb2.StreamProgressRequest(gateway="stay")
        )
        await call.read()
        name = {"method": "WorkerService/StreamProgress"}
        before = sample("headrace_open_streams", **name)
        link.silence()
        await until(lambda: sample("headrace_open_streams", **name) == before - 1)
        call.cancel()
    await link.close()


def test_servers_allow_the_pings_of_the_clients_of_this_and_the_former_version():
    assert rpc_server.MIN_PING_SECONDS <= 10.0 < rpc_server.PING_SECONDS
    assert rpc_server.PING_SECONDS + rpc_server.PING_TIMEOUT_SECONDS <= 45.0
